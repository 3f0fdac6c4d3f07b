"""What SymPy is asked for: gates from expressions, and simpler derivatives of chains of scalars.

Nothing imports this package before a gate is made or a chain of scalars is met that may gain from it,
so `import ad_compiler` does not import SymPy.
"""
