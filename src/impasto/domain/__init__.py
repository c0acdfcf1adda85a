"""The words of the trade: frozen values and the rules about them. Imports nothing of ours."""
