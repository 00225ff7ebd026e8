"""The steps from each version of the tables to the next, run when the state is opened."""
