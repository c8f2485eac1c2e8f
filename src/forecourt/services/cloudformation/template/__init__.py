"""The template language, pure: `document` reads text, `template` the sections, `parameters` and `evaluate` give values,
`references` finds what depends on what, `extensions` are the transforms that need no other service."""
