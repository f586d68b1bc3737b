"""What the fault loops are made of: proxies that misbehave, clients that write down what they were told, and what must hold at the end."""
