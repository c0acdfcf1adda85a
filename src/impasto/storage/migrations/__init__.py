"""How the tables came to be, step by step.

Rule: a step only adds, so that an older version which still runs beside a newer one survives it;
what goes is taken away a version later.
"""
