"""The rights the operator needs, derived from what it does. The chart's roles are written from here.

`python -m loppestars_operator.access charts/loppestars-operator/files` writes `rules.yaml`, `policy.json` and
`alerts.yaml`; tests hold that they are up to date and that no rule is superfluous.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from loppestars_operator.kinds import ADDON_GROUPS, CRAWL, EVENT, OWNED_KINDS, POD, STACK
from loppestars_operator.naming import GROUP
from loppestars_operator.rendering.alerts import own_alert_groups
from loppestars_operator.rendering.api import CRAWL_VERBS
from loppestars_operator.rendering.network import INTERNAL_NETWORKS
from loppestars_operator.spec.policy import METADATA_ADDRESSES, METADATA_HOSTS, METADATA_IN_NETWORKS, Policy

Rule = dict[str, Any]

# An apply that creates needs `create` next to `patch`; OwnerReferencesPermissionEnforcement asks for `delete` on every
# change of the owner references of an existing object.
_OWNED_VERBS: Final = ("list", "watch", "create", "patch", "delete")


def rules() -> list[Rule]:
    """Return the rules for every watched namespace, one per kind and add-on."""
    own = [kind for kind in OWNED_KINDS if not kind.addon]
    addons = {group: [kind.plural for kind in OWNED_KINDS if kind.group == group] for group in sorted(ADDON_GROUPS)}
    return [
        _rule(GROUP, [STACK.plural], "get", "list", "watch"),
        # All that the API's service account is granted, and what the operator itself does with crawls.
        _rule(GROUP, [CRAWL.plural], *CRAWL_VERBS, "delete"),
        _rule(GROUP, [f"{STACK.plural}/status", f"{CRAWL.plural}/status"], "patch"),
        # blockOwnerDeletion asks for it where OwnerReferencesPermissionEnforcement is on.
        _rule(GROUP, [f"{STACK.plural}/finalizers", f"{CRAWL.plural}/finalizers"], "update"),
        _rule(POD.group, [POD.plural], "list", "watch"),
        # Written of stacks, and read of Jobs whose pods are refused.
        _rule(EVENT.group, [EVENT.plural], "create", "list"),
        *(_rule(kind.group, [kind.plural], *_OWNED_VERBS) for kind in own),
        *(_rule(group, plurals, *_OWNED_VERBS) for group, plurals in addons.items()),
    ]


def _rule(group: str, resources: list[str], *verbs: str) -> Rule:
    return {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}


def rules_text() -> str:
    """Return the file of the chart."""
    header = "# Generated from operator/loppestars_operator/access.py by `make crds`; do not edit.\n"
    return header + yaml.safe_dump(rules(), sort_keys=False, default_flow_style=None, width=120)


def policy_text() -> str:
    """Return what the chart's admission policy is made of: the bounds of stacks, and what is never reached."""
    known = {
        "defaults": Policy().model_dump(mode="json", by_alias=True),
        "metadataHosts": METADATA_HOSTS,
        "metadataAddresses": METADATA_ADDRESSES,
        "metadataInNetworks": METADATA_IN_NETWORKS,
        "privateNetworks": [network for networks in INTERNAL_NETWORKS.values() for network in networks],
    }
    return json.dumps(known, indent=1) + "\n"


def alerts_text() -> str:
    """Return the alerts on the operator itself; the chart puts its namespace in."""
    return yaml.safe_dump({"groups": own_alert_groups("RELEASE_NAMESPACE")}, sort_keys=False, width=120)


def main() -> None:
    """Write the rules, the policy and the alerts into the folder given as the only argument."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.yaml").write_text(rules_text(), encoding="utf-8")
    (folder / "policy.json").write_text(policy_text(), encoding="utf-8")
    (folder / "alerts.yaml").write_text(alerts_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
