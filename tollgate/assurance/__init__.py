"""Control totals, conservation, the quality gate and the comparison with an injected truth."""
