"""The doctor: looks at the way to a gateway step by step, and says what is wrong and which line mends it.

A *check* looks at one thing. What a failed check has seen are *facts*; a *diagnosis* is found by them. Checks
are in ``checks``, what they can find in ``diagnoses``; ``examination`` runs them in order.
"""
