"""The machine underneath: files, processes, cores, power."""
