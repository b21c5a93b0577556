"""From an OCDS release to a contract document: pure, without input, output or clock."""
