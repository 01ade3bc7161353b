"""Networks: chains for whose blocks transactions compete, and bridges between them."""
