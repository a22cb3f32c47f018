"""A cdul-edge bundle as a lifecycle node of ROS 2."""
