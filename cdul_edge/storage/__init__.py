"""Folders of files, on this machine or in an object store, behind one interface."""
