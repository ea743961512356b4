"""What bringup starts, as data, and how it is started with or without `launch`."""
