"""Latency and throughput on this machine."""
