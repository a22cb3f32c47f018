"""Recordings and pictures of ROS."""
