"""Similarities that someone else computed."""
