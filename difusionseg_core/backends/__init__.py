"""Ways to run the network. A backend offers `name`, `device`, `stride`, `dim` and `run`, see
`pytorch`.
"""
