"""The chart: what it renders, that a real API server takes it, and that its rights are enough and no more."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from rotator.config.model import File
from rotator.core.model import Mode, Observation, PreflightRequest
from rotator.core.trust import verify_path
from rotator.errors import SourceError
from rotator.issuers.cert_manager import CertManagerIssuer, CertManagerSettings
from rotator.issuers.kubernetes_csr import KubernetesCsrIssuer, KubernetesCsrSettings
from rotator.lib.kube.workloads import RESTARTED_AT
from tests.issuers.asking import Drawer, ask, objections, real_clock
from tests.issuers.asking import issue_in_time as issue_with
from tests.lib.kube_builders import authority, issue, put_secret, source, target, tls_data
from tests.servers.kube import LIMITED, MERGE_PATCH, READER, WRITER, KubeServer, grant_everywhere
from tests.servers.run import need
from tests.servers.signing import CertManager

CHART = Path(__file__).parents[1] / "charts" / "rotator"
RESOURCES = {
    "ServiceAccount": "api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "api/v1/namespaces/{}/configmaps",
    "PersistentVolumeClaim": "api/v1/namespaces/{}/persistentvolumeclaims",
    "Service": "api/v1/namespaces/{}/services",
    "Deployment": "apis/apps/v1/namespaces/{}/deployments",
    "Role": "apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "ClusterRole": "apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}
OF_THE_OPERATOR = {"PrometheusRule", "ServiceMonitor"}

Values = Mapping[str, Any]
Objects = list[dict[str, Any]]

CERTIFICATE = {
    "name": "checkout",
    "names": ["checkout.example.com"],
    "issuer": ["internal"],
    "mode": "rotate",
    "targets": [
        {"kubernetes_secret": {"namespace": "default", "name": "checkout-tls"}, "restart": ["Deployment/checkout"]}
    ],
}
SIGNER = "example.com/services"
EVERYTHING: Values = {
    "config": {
        "mode": "rotate",
        "issuers": {
            "cluster": {
                "kubernetes_csr": {"signer": SIGNER, "approve": True, "ca": {"config_map": {"name": "services-ca"}}}
            },
            "cm": {"cert_manager": {"issuer": {"name": "internal", "kind": "ClusterIssuer"}}},
            "team": {"cert_manager": {"issuer": {"name": "ca"}, "namespace": "default"}},
            "public": {
                "acme": {
                    "directory": "letsencrypt",
                    "agree_terms": True,
                    "http01": {"kubernetes": {"ingress_class": "nginx"}},
                    "solvers": [
                        {
                            "names": ["*.edge.example.com"],
                            "http01": {"kubernetes": {"gateway": {"name": "edge"}, "namespace": "default"}},
                        }
                    ],
                }
            },
        },
        "alerts": {"oncall": {"webhook": {"url": "${env:HOOK}"}}},
        "certificates": [CERTIFICATE],
    },
    "rotate": {"secrets": {"default": ["shop-tls"]}, "workloads": {"default": ["StatefulSet/db", "DaemonSet/edge"]},
               "certificates": {"default": ["web"]},
               "createSecrets": True},
    "rbac": {"create": True, "clusterWide": True},
    "stateKey": {"existingSecret": "state-key"},
    "persistence": {"storageClass": "fast", "size": "2Gi"},
    "serviceAccount": {"annotations": {"note": "x"}},
    "imagePullSecrets": [{"name": "pull"}],
    "env": [{"name": "HOOK", "value": "x"}],
    "envFrom": [{"secretRef": {"name": "more"}}],
    "volumes": [{"name": "extra", "secret": {"secretName": "extra"}}],
    "volumeMounts": [{"name": "extra", "mountPath": "/extra", "readOnly": True}],
    "podLabels": {"team": "platform"},
    "podAnnotations": {"note": "x"},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
}  # fmt: skip


def helm(command: str, values: Values, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run helm on the chart with these values."""
    given = folder / "values.json"
    given.write_text(json.dumps(values))
    arguments = [command, *more, str(CHART), "--values", str(given)]
    return subprocess.run([need("helm"), *arguments], capture_output=True, text=True, check=False)


def render(values: Values, folder: Path, namespace: str = "ops") -> Objects:
    """Render the chart as release `rotator` in a namespace."""
    done = helm("template", values, folder, "rotator", "--namespace", namespace)
    assert done.returncode == 0, done.stderr
    return [found for found in YAML(typ="safe").load_all(done.stdout) if found]


def of_kind(objects: Objects, kind: str, name: str = "") -> Objects:
    """Return the objects of a kind whose name ends so."""
    return [each for each in objects if each["kind"] == kind and each["metadata"]["name"].endswith(name)]


def config_of(objects: Objects) -> Any:
    """Read the config file of the rendered ConfigMap."""
    (found,) = of_kind(objects, "ConfigMap")
    return YAML(typ="safe").load(found["data"]["config.yaml"])


VARIANTS: dict[str, Values] = {
    "default": {},
    "namespaces": {"namespaces": ["default", "kube-public"]},
    "rotate": {"config": {"mode": "rotate"}, "rotate": {"secrets": {"default": ["shop-tls"]}}},
    "without-state": {"persistence": {"enabled": False}, "serviceAccount": {"create": False}},
    "everything": EVERYTHING,
}


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_lint(values: Values, tmp_path: Path) -> None:
    """`helm lint --strict` has nothing to say about any variant."""
    done = helm("lint", values, tmp_path, "--strict")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_the_api_server_accepts_every_object(
    values: Values, kube_server: KubeServer, kube_namespace: str, tmp_path: Path
) -> None:
    """Each rendered built-in object passes a strict server-side dry run: no unknown field, no invalid value."""
    objects = render(values, tmp_path, kube_namespace)
    for each in objects:
        if each["kind"] in OF_THE_OPERATOR:
            continue
        path = RESOURCES[each["kind"]].format(each["metadata"].get("namespace"))
        answer = kube_server.request("POST", path, each, params={"dryRun": "All", "fieldValidation": "Strict"})
        assert answer.ok, f"{each['kind']}: {answer.text}"
        assert "Warning" not in answer.headers


def test_the_pod_is_allowed_under_restricted_pod_security(
    kube_server: KubeServer, kube_namespace: str, tmp_path: Path
) -> None:
    """In a namespace that enforces the restricted standard, the API server takes the pod that the Deployment makes."""
    enforce = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    kube_server.expect("PATCH", f"/api/v1/namespaces/{kube_namespace}", enforce, content_type=MERGE_PATCH)
    (deployment,) = of_kind(render(EVERYTHING, tmp_path, kube_namespace), "Deployment")
    template = deployment["spec"]["template"]
    pod = {"metadata": {"name": "rotator", **template["metadata"]}, "spec": template["spec"]}
    path = f"/api/v1/namespaces/{kube_namespace}/pods"
    answer = kube_server.request("POST", path, pod, params={"dryRun": "All", "fieldValidation": "Strict"})
    assert answer.ok, answer.text
    rooted = copy.deepcopy(pod)
    rooted["spec"]["securityContext"]["runAsNonRoot"] = False
    assert kube_server.request("POST", path, rooted, params={"dryRun": "All"}).status_code == 403


def test_the_container_cannot_write_its_own_image(tmp_path: Path) -> None:
    """The root file system is read-only; only the state and a small /tmp can be written."""
    (deployment,) = of_kind(render({}, tmp_path), "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    writable = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
    assert writable == {"/var/lib/rotator", "/tmp"}
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_observes_by_default(tmp_path: Path) -> None:
    """Without a word the config says observe, nothing may be written, and nothing is cluster-wide."""
    objects = render({}, tmp_path)
    assert File.model_validate(config_of(objects)).mode is Mode.OBSERVE
    assert not of_kind(objects, "Role", "-writer")
    assert not of_kind(objects, "ClusterRole")
    verbs = {verb for role in of_kind(objects, "Role") for rule in role["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list"}


def test_named_secrets_without_rotate_give_no_right(tmp_path: Path) -> None:
    """The names alone give no right to write: some mode must say rotate."""
    values = {"rotate": {"secrets": {"shop": ["shop-tls"]}, "workloads": {"shop": ["Deployment/shop"]}}}
    assert not of_kind(render(values, tmp_path), "Role", "-writer")


def test_one_rule_in_rotate_mode_is_enough(tmp_path: Path) -> None:
    """An adoption rule that rotates brings the named Secrets' Role, though the rest observes."""
    rule = {"from": "cluster", "match": {}, "issuer": ["internal"], "mode": "rotate"}
    values = {"config": {"adopt": [rule]}, "rotate": {"secrets": {"shop": ["shop-tls", "www-tls"]}}}
    (role,) = of_kind(render(values, tmp_path), "Role", "-writer")
    assert role["metadata"]["namespace"] == "shop"
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["shop-tls", "www-tls"],
            "verbs": ["get", "patch"],
        }
    ]


def test_declared_certificates_bring_their_rights(tmp_path: Path) -> None:
    """The targets and restarts of a rotating certificate are allowed by name; those of an observing one are not."""
    other = {**CERTIFICATE, "name": "other", "mode": "observe",
             "targets": [{"kubernetes_secret": {"namespace": "shop", "name": "other-tls"}}]}  # fmt: skip
    (role,) = of_kind(render({"config": {"certificates": [CERTIFICATE, other]}}, tmp_path), "Role", "-writer")
    assert role["metadata"]["namespace"] == "default"
    named = {rule["resources"][0]: rule["resourceNames"] for rule in role["rules"]}
    assert named == {"secrets": ["checkout-tls"], "deployments": ["checkout"]}
    assert {tuple(rule["verbs"]) for rule in role["rules"]} == {("get", "patch")}


def test_reads_the_namespaces_of_the_sources(tmp_path: Path) -> None:
    """Namespaces are said once: those of a kubernetes source in the config get their reader Role."""
    sources = {"cluster": {"kubernetes": {"namespaces": ["shop", "payments"]}}, "public": {"endpoints": ["a.test:443"]}}
    objects = render({"config": {"sources": sources}, "namespaces": ["extra"]}, tmp_path)
    roles = of_kind(objects, "Role", "-reader")
    assert [each["metadata"]["namespace"] for each in roles] == ["extra", "payments", "shop"]
    assert config_of(objects)["sources"] == sources


def test_all_namespaces_need_the_cluster_role(tmp_path: Path) -> None:
    """A source that wants every namespace is refused until cluster-wide reading is said; then the config says `all`."""
    sources = {"cluster": {"kubernetes": {"namespaces": "all"}}}
    done = helm("template", {"config": {"sources": sources}}, tmp_path, "rotator")
    assert done.returncode != 0
    assert "set rbac.clusterWide=true" in done.stderr
    objects = render({"rbac": {"clusterWide": True}}, tmp_path)
    assert config_of(objects)["sources"] == sources
    assert not of_kind(objects, "Role")
    (role,) = of_kind(objects, "ClusterRole")
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list"}


def test_the_config_is_the_operators(tmp_path: Path) -> None:
    """What the values say stays as it is; the chart fills only what they leave open."""
    config = {"state": {"url": "/elsewhere/state.db"}, "web": {"listen": "0.0.0.0:9000"}, "check_every": "30m"}
    rendered = config_of(render({"config": config}, tmp_path))
    assert {key: rendered[key] for key in config} == config
    default = config_of(render({"stateKey": {"existingSecret": "sealed"}}, tmp_path))
    assert default["state"] == {"url": "/var/lib/rotator/state.db", "key": "${file:/etc/rotator/state/state.key}"}
    everything = config_of(render(EVERYTHING, tmp_path))
    assert File.model_validate(everything).mode is Mode.ROTATE
    assert everything["alerts"] == EVERYTHING["config"]["alerts"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"config": {"mode": "rotating"}}, "/config/mode"),
        ({"namespaces": "shop"}, "/namespaces"),
        ({"rbac": {"clusterWide": "yes"}}, "/rbac/clusterWide"),
        ({"rotate": {"secrets": {"shop": "shop-tls"}}}, "/rotate/secrets/shop"),
        ({"rotate": {"workloads": {"shop": ["Pod/shop"]}}}, "/rotate/workloads/shop"),
        ({"replicas": 2}, "replicas"),
        ({"service": {"port": 0}}, "/service/port"),
    ],
)
def test_the_schema_refuses_mistakes(values: Values, told: str, tmp_path: Path) -> None:
    """A wrong type, an unknown key or an impossible value stops the install and names the place."""
    done = helm("template", values, tmp_path, "rotator")
    assert done.returncode != 0
    assert told in done.stderr


def test_the_readers_rights_are_enough(kube_server: KubeServer, kube_namespace: str, tmp_path: Path) -> None:
    """With exactly the rendered reader Role the source sees Secrets and namespace, and lacks no right there."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(authority())))
    (role,) = of_kind(render({"namespaces": [kube_namespace]}, tmp_path), "Role", "-reader")
    kube_server.grant(kube_namespace, "reader", role["rules"])
    before = len(kube_server.audit(user="reader", namespace=kube_namespace))
    (found,) = source(kube_server, kube_namespace, token=READER).observe()
    assert found.labels["name"] == "shop-tls"
    calls = kube_server.audit(user="reader", namespace=kube_namespace)[before:]
    assert {call["objectRef"]["resource"] for call in calls} >= {"secrets", "ingresses", "pods", "namespaces"}
    assert all(call["responseStatus"]["code"] != 403 for call in calls)


def test_an_audit_brings_its_rights(kube_server: KubeServer, kube_namespace: str, tmp_path: Path) -> None:
    """A source that looks at everything gets the right to list ConfigMaps and grants there; nothing else is added."""
    asked = {"kubernetes": {"namespaces": [kube_namespace], "everything": True}}
    plain = {"kubernetes": {"namespaces": [kube_namespace]}}
    (role,) = of_kind(render({"config": {"sources": {"cluster": asked}}}, tmp_path), "Role", "-reader")
    (before,) = of_kind(render({"config": {"sources": {"cluster": plain}}}, tmp_path), "Role", "-reader")
    more = [rule for rule in role["rules"] if rule not in before["rules"]]
    assert [rule["resources"] for rule in more] == [["configmaps"], ["referencegrants"]]
    assert {tuple(rule["verbs"]) for rule in role["rules"]} <= {("get", "list"), ("get",)}
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(authority())))
    kube_server.grant(kube_namespace, "reader", role["rules"])
    found: list[Observation] = []
    with pytest.raises(SourceError) as raised:
        found.extend(source(kube_server, kube_namespace, token=READER, everything=True).observe())
    assert [each.labels["name"] for each in found] == ["shop-tls"]
    # The rest is cluster-wide: what the API server itself trusts.
    assert kube_namespace not in str(raised.value)
    cluster_wide = {"rbac": {"clusterWide": True}, "config": {"sources": {"cluster": asked}}}
    (role,) = of_kind(render(cluster_wide, tmp_path), "ClusterRole")
    allowed = {resource for rule in role["rules"] for resource in rule["resources"]}
    assert {"configmaps", "referencegrants", "apiservices", "customresourcedefinitions"} <= allowed


def test_the_writers_rights_are_enough(kube_server: KubeServer, kube_namespace: str, tmp_path: Path) -> None:
    """With reader and writer Role the named Secret is written and the named workload restarted; no other may be."""
    old, new = issue(authority()), issue(authority())
    for name in ("shop-tls", "other-tls"):
        put_secret(kube_server, kube_namespace, name, tls_data(old))
    values = {
        "namespaces": [kube_namespace],
        "config": {"mode": "rotate"},
        "rotate": {"secrets": {kube_namespace: ["shop-tls"]}, "workloads": {kube_namespace: ["Deployment/shop"]}},
    }
    rules = [rule for role in of_kind(render(values, tmp_path), "Role") for rule in role["rules"]]
    kube_server.grant(kube_namespace, "writer", rules)
    done = target(kube_server, kube_namespace, "shop-tls", token=WRITER).deploy(new, replacing=old.chain.fingerprint)
    assert done.log.endswith("was written")
    annotate = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: "2026-11-01T12:00:00Z"}}}}}
    codes = {}
    for path, change in (
        ("api/v1/namespaces/{}/secrets/other-tls", {"data": tls_data(new)}),
        ("apis/apps/v1/namespaces/{}/deployments/shop", annotate),
        ("apis/apps/v1/namespaces/{}/deployments/other", annotate),
    ):
        where = path.format(kube_namespace)
        answer = kube_server.request("PATCH", where, change, token=WRITER, content_type=MERGE_PATCH)
        codes[path.rpartition("/")[2] + path.split("/")[-2]] = answer.status_code
    assert codes == {"other-tlssecrets": 403, "shopdeployments": 404, "otherdeployments": 403}


def test_issuers_bring_their_rights(kube_server: KubeServer, tmp_path: Path) -> None:
    """With the signer's ClusterRole the issuer has all rights that its preflight asks for, and for no other signer."""
    issuers = {"cluster": {"kubernetes_csr": {"signer": SIGNER, "approve": True}}}
    assert of_kind(render({"config": {"issuers": issuers}}, tmp_path), "ClusterRole") == [], "nothing rotates"
    (role,) = of_kind(render({"config": {"mode": "rotate", "issuers": issuers}}, tmp_path), "ClusterRole", "-signer")
    grant_everywhere(kube_server, LIMITED, role["rules"])
    may = {}
    for signer in (SIGNER, "example.com/other"):
        settings = KubernetesCsrSettings(signer=signer, approve=True, kubeconfig=str(kube_server.kubeconfig(LIMITED)))
        issuer = KubernetesCsrIssuer("cluster", settings, real_clock(), Drawer())
        may[signer] = objections(issuer, "shop.example.com")
    assert may.pop(SIGNER) == ()
    ((refused,),) = may.values()
    assert refused.endswith("rotator may not approve signers.certificates.k8s.io example.com/other")


def test_cert_managers_issuers_bring_their_rights(
    cert_manager: CertManager, kube_namespace: str, tmp_path: Path
) -> None:
    """With the signer's Role and ClusterRole a certificate is had, and the issuer's readiness seen."""
    settings = {"issuer": {"name": cert_manager.issuer, "kind": "ClusterIssuer"}, "namespace": kube_namespace}
    objects = render({"config": {"mode": "rotate", "issuers": {"cm": {"cert_manager": settings}}}}, tmp_path)
    ((role,), (everywhere,)) = (of_kind(objects, kind, "-signer") for kind in ("Role", "ClusterRole"))
    cert_manager.server.grant(kube_namespace, "reader", role["rules"])
    grant_everywhere(cert_manager.server, READER, everywhere["rules"])
    chosen = {**settings, "kubeconfig": str(cert_manager.server.kubeconfig(READER))}
    issuer = CertManagerIssuer("cm", CertManagerSettings.model_validate(chosen), real_clock(), Drawer())
    details = [check.detail for check in issuer.preflight(PreflightRequest(("shop.example.com",)))]
    assert details == [f"it may ask in {kube_namespace}", f"the ClusterIssuer {cert_manager.issuer} is ready"]
    assert (
        verify_path(issue_with(issuer, ask("shop.example.com")), (cert_manager.root,), real_clock().now(), ()) is None
    )


def test_a_ca_in_a_config_map_is_the_only_one_that_may_be_read(tmp_path: Path) -> None:
    """By name, in its namespace, the release's own where none is said; of another cluster's nothing is given."""
    issuers = {
        "own": {"kubernetes_csr": {"signer": SIGNER, "ca": {"config_map": {"name": "own-ca"}}}},
        "far": {"kubernetes_csr": {"signer": SIGNER, "ca": {"config_map": {"name": "ca", "namespace": "platform"}}}},
        "other": {"kubernetes_csr": {"signer": "x/y", "kubeconfig": "/x", "ca": {"config_map": {"name": "not-here"}}}},
    }
    roles = of_kind(render({"config": {"mode": "rotate", "issuers": issuers}}, tmp_path), "Role", "-signer")
    found = {role["metadata"]["namespace"]: role["rules"][0]["resourceNames"] for role in roles}
    assert found == {"ops": ["own-ca"], "platform": ["ca"]}
    assert [role["rules"][0]["verbs"] for role in roles] == [["get"], ["get"]]


def test_a_rule_fires_when_rotator_is_gone(tmp_path: Path) -> None:
    """One alert needs no metric to exist: a rotator that is gone sends none of its own."""
    assert not of_kind(render({}, tmp_path), "PrometheusRule")
    (rule,) = of_kind(render({"prometheusRule": {"enabled": True}}, tmp_path), "PrometheusRule")
    rules = {each["alert"]: each for each in rule["spec"]["groups"][0]["rules"]}
    absent = rules["RotatorAbsent"]
    assert absent["expr"] == 'absent(rotator_scan_last_success_timestamp_seconds{job="rotator"})'
    assert (absent["for"], absent["labels"]) == ("15m", {"severity": "critical"})
    assert all(each["labels"]["severity"] in {"warning", "critical"} for each in rules.values())
    assert all("rotator_" in each["expr"] and each["annotations"]["summary"] for each in rules.values())


def test_notes_tell_what_was_installed(tmp_path: Path) -> None:
    """The notes after an install say whether anything can be changed, and by which names."""
    done = helm("install", {}, tmp_path, "--dry-run=client", "rotator", "--namespace", "ops")
    assert "it changes nothing" in done.stdout, done.stderr
    assert "Nobody is told of anything yet" in done.stdout
    done = helm("install", EVERYTHING, tmp_path, "--dry-run=client", "rotator", "--namespace", "ops")
    assert "secrets in default: checkout-tls, shop-tls" in done.stdout, done.stderr
    assert "Nobody is told" not in done.stdout


def test_where_challenges_are_led_through_the_cluster_there_are_rights_for_it(tmp_path: Path) -> None:
    """In the namespaces of the config alone, for the kinds that are made there; the pod learns who it is."""
    objects = render(EVERYTHING, tmp_path)

    roles = {role["metadata"]["namespace"]: role["rules"] for role in of_kind(objects, "Role", "-challenges")}
    (deployment,) = of_kind(objects, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    kinds = {place: sorted(rule["resources"][0] for rule in rules) for place, rules in roles.items()}
    assert kinds == {
        "ops": ["endpointslices", "ingresses", "services"],
        "default": ["endpointslices", "httproutes", "services"],
    }
    assert {rule["verbs"] == ["get", "list", "create", "delete"] for rules in roles.values() for rule in rules} == {
        True
    }
    assert [each["name"] for each in container["env"]] == ["POD_IP", "POD_NAME", "POD_NAMESPACE", "POD_UID", "HOOK"]
    assert of_kind(render({}, tmp_path), "Role", "-challenges") == []


def test_a_selector_needs_no_endpoint_slices(tmp_path: Path) -> None:
    """And what is in another cluster needs no rights here."""
    kubernetes = {"ingress_class": "nginx", "selector": {"app": "rotator"}}
    elsewhere = {"ingress_class": "nginx", "kubeconfig": "/etc/other", "namespace": "far"}
    issuers = {
        name: {"acme": {"directory": "letsencrypt", "agree_terms": True, "http01": {"kubernetes": each}}}
        for name, each in {"here": kubernetes, "there": elsewhere}.items()
    }

    (role,) = of_kind(render({"config": {"mode": "rotate", "issuers": issuers}}, tmp_path), "Role", "-challenges")

    assert role["metadata"]["namespace"] == "ops"
    assert sorted(rule["resources"][0] for rule in role["rules"]) == ["ingresses", "services"]
