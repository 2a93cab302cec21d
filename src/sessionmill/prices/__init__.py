"""What responses cost: list prices with their history, and prices that a person set.

A row is a price from a moment on, for requests from a size on; rows of one model, speed, service
tier and geography follow each other. Money is Decimal from the file to the table, never a float.
"""

from sessionmill.prices.configured import configured
from sessionmill.prices.price import CONFIGURATION, Price

__all__ = ["CONFIGURATION", "Price", "configured"]
