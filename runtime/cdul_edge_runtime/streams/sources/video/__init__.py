"""Files, cameras and devices, through PyAV."""
