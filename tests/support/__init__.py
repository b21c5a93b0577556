"""What tests of several rooms share: connections, databases, clocks and waits."""
