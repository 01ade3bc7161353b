"""The numeric ground floor: compiled elementary functions, random numbers and the tables that phases share."""
