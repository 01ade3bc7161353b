"""What every mechanism of a role passes through by being in the role's folder."""
