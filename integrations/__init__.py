"""Accounts at remote services, their collections, and the adapters that speak to them."""
