"""The node among others: invitations, whom it believes, the assembly of nodes, and who continues whose missions."""
