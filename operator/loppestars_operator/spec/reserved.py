"""Variables that the operator sets: an extra one of the same name would have no effect, so it is refused."""


def not_reserved(variables: tuple[str, ...]) -> tuple[str, str]:
    """CEL rule that a component's extra variables are none of its own."""
    return (
        f"!has(self.pod) || !has(self.pod.env) || self.pod.env.all(one, !(one.name in {list(variables)!r}))",
        "pod.env has a variable that the operator sets itself; use the field of the spec that stands for it: "
        + ", ".join(variables),
    )
