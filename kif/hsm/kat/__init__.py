"""Known-answer tests: published values, computed by production code on a throw-away token."""
