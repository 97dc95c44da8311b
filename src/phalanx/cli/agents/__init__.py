"""Commands of the swarm: agents, orders, messages, and what they agreed on."""
