"""Renews src/sessionmill/prices/list_prices.csv from the installed package genai-prices."""
