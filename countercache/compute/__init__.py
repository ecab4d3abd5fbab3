"""What is computed: formula -> plan -> partial sums -> cells. Pure."""
