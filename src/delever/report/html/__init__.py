"""The report as one HTML file: answer first, every figure with its unit, definition and horizon, no request to anywhere."""
