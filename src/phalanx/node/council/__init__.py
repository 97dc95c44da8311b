"""The agents of a node as a council: their epochs, their vote keys, and who decides on actions."""
