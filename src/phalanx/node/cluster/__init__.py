"""The node among others: invitations, whom it trusts, the assembly of nodes, and who takes over whose missions."""
