"""Multi-label metrics, and the truth they are measured against."""
