"""The chart, held against the schemas of what it speaks to, against itself, and against the program.

    python tests/deployment/check.py [--binary PATH]

Renders the chart with Helm's own library for several sets of values. With a binary, also starts it with the rendered
arguments and configuration, and lets the rendered rule start and stop real workers under a load.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib

import kubernetes_validate
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as monitoring
from helm_python import Chart, HelmError

import autoscale
import grow

HERE = os.path.dirname(os.path.abspath(__file__))
DOCKER = os.path.join(HERE, "..", "..", "docker")
KUBERNETES = "1.30", kubernetes_validate.latest_version()
MODELS = {"ScaledObject": keda.ScaledObject, "ServiceMonitor": monitoring.ServiceMonitor}

VALUES = {
    "defaults": {},
    "buckets": {
        "roots": ["s3://sky/catalogues?region=us-west-2", "https://host/hats/ztf"],
        "credentialsSecret": "keys",
        "cluster": {"tokenSecret": "token", "tlsSecret": "certificates"},
        "config": "[pg]\n",
        "servers": {"nodeSelector": {"pool": "small"}, "service": {"type": "LoadBalancer", "annotations": {"a": "b"}}},
        "workers": {"tolerations": [{"key": "spot", "operator": "Exists"}]},
        "serviceAccount": {"annotations": {"role": "reader"}},
        "image": {"pullSecrets": ["registry"]},
    },
    "hpa": {"scaling": {"kind": "hpa", "max": 8}},
    "keda": {"scaling": {"kind": "keda", "min": 0, "max": 8}, "monitor": {"enabled": True}},
    "closed": {
        "networkPolicy": {
            "clients": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "hub"}}}],
            "monitoring": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
        }
    },
    "open": {"networkPolicy": {"enabled": False}, "serviceAccount": {"create": False}, "drainSeconds": 600},
}

REFUSED = {
    "an unknown key": {"worker": {}},
    "an unknown key within": {"servers": {"replica": 1}},
    "a number as text": {"workers": {"replicas": "three"}},
    "memory in no unit": {"workers": {"resources": {"cpu": "1", "memory": "lots"}}},
    "a root on the pod's disk": {"roots": ["/etc"]},
    "two kinds of scaling": {"scaling": {"kind": "hpa+keda"}},
    "an HPA without workers": {"scaling": {"kind": "hpa", "min": 0}},
    "more at least than at most": {"scaling": {"kind": "keda", "min": 5, "max": 2}},
}

passed = failed = 0


def check(what, right, detail=""):
    global passed, failed
    if right:
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {what} {detail}")


def render(values):
    with Chart.load(os.path.join(DOCKER, "chart")) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name="sky", namespace="stars")
    texts = [text for path, text in files.items() if path.endswith(".yaml")]
    return [item for text in texts for item in yaml.safe_load_all(text) if item]


def objects(name, manifests):
    """Every object by the schema of its kind."""
    for item in manifests:
        label = f"{name}: {item['kind']} {item['metadata']['name']}"
        try:
            if item["kind"] in MODELS:
                MODELS[item["kind"]].model_validate(item)
            else:
                for version in KUBERNETES:
                    kubernetes_validate.validate(item, version, strict=True)
            check(label, True)
        except Exception as error:  # each library has its own
            check(label, False, str(error).replace("\n", " ")[:300])


def of(manifests, kind):
    return {item["metadata"]["name"]: item for item in manifests if item["kind"] == kind}


def pods(name, manifests):
    """Pods are safe, probed, and left enough time; what selects them finds them."""
    configs, deployments = of(manifests, "ConfigMap"), of(manifests, "Deployment")
    check(f"{name}: two deployments", len(deployments) == 2)
    for title, deployment in deployments.items():
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        safe = container["securityContext"]
        check(f"{name}: {title} is not root", pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0)
        check(f"{name}: {title} has no capabilities", safe["capabilities"] == {"drop": ["ALL"]})
        check(f"{name}: {title} writes nowhere else", safe["readOnlyRootFilesystem"] and not safe["allowPrivilegeEscalation"])
        check(f"{name}: {title} is sandboxed", pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault")
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            check(f"{name}: {title} has a {probe}", container[probe]["httpGet"]["port"] in [p["name"] for p in container["ports"]])
        resources = container["resources"]
        check(f"{name}: {title} asks for its memory", resources["requests"]["memory"] == resources["limits"]["memory"])
        config = tomllib.loads(configs[pod["volumes"][0]["configMap"]["name"]]["data"]["dreyer.toml"])
        check(f"{name}: {title} is given time", pod["terminationGracePeriodSeconds"] > config["limits"]["drain_s"])
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        files = [value for key, value in config["cluster"].items() if key.endswith(("file", "cert", "key", "ca"))]
        files.append(config["limits"]["spill_dir"])
        check(f"{name}: {title} finds its files", all(any(f == m or f.startswith(m + "/") for m in mounts) for f in files))
        check(f"{name}: {title} holds no secret", not re.search(r"secret_access_key|password", yaml.dump(container), re.I))
    labels = {title: item["spec"]["template"]["metadata"]["labels"] for title, item in deployments.items()}
    ports = {t: {p["name"] for p in d["spec"]["template"]["spec"]["containers"][0]["ports"]} for t, d in deployments.items()}
    chosen = lambda selector: [title for title, own in labels.items() if selector.items() <= own.items()]
    for title, service in of(manifests, "Service").items():
        found = chosen(service["spec"]["selector"])
        check(f"{name}: service {title} finds one part", found == [title.removesuffix("-servers")], found)
        check(f"{name}: service {title} finds its ports", all(p["targetPort"] in ports[found[0]] for p in service["spec"]["ports"]))
    for title, budget in of(manifests, "PodDisruptionBudget").items():
        check(f"{name}: budget {title}", chosen(budget["spec"]["selector"]["matchLabels"]) == [title])
    for title, policy in of(manifests, "NetworkPolicy").items():
        check(f"{name}: policy {title}", chosen(policy["spec"]["podSelector"]["matchLabels"]) == [title])
        for rule in policy["spec"]["ingress"]:
            check(f"{name}: policy {title} names ports that exist", all(p["port"] in ports[title] for p in rule["ports"]))
    arguments = deployments["sky-dreyer"]["spec"]["template"]["spec"]["containers"][0]["args"]
    for option, part, port in (("--workers", "workers", 50051), ("--coordinators", "servers", 50052)):
        named = arguments[arguments.index(option) + 1]
        service = of(manifests, "Service")[f"sky-dreyer-{part}"]
        numbers = [p["port"] for p in service["spec"]["ports"]]
        check(f"{name}: servers find the {part}", named == f"dns:sky-dreyer-{part}.stars.svc:{port}" and port in numbers)
        check(f"{name}: the name of the {part} is that of each", service["spec"]["clusterIP"] == "None")


def started(binary, name, manifests):
    """The program takes the rendered arguments and configuration, listening on loopback and without the buckets."""
    for title, deployment in of(manifests, "Deployment").items():
        pod = deployment["spec"]["template"]["spec"]
        text = of(manifests, "ConfigMap")[pod["volumes"][0]["configMap"]["name"]]["data"]["dreyer.toml"]
        with tempfile.TemporaryDirectory() as folder:
            config = os.path.join(folder, "dreyer.toml")
            # The secrets are the cluster's: here is none to read.
            lines = [line for line in text.replace("/spill", folder).splitlines() if "/etc/dreyer/" not in line]
            with open(config, "w") as file:
                file.write("\n".join(lines))
            arguments = [a for a in pod["containers"][0]["args"] if "://" not in a]
            arguments = [re.sub(r"^0\.0\.0\.0:\d+$", "127.0.0.1:0", a) for a in arguments]
            arguments = [config if a.endswith("dreyer.toml") else a for a in arguments]
            arguments = [re.sub(r"^dns:.*", "dns:localhost:1", a) for a in arguments]
            process = subprocess.Popen([binary, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            said = ""
            for line in process.stdout:
                said += line
                if line.startswith("listening on" if arguments[0] == "serve" else "working on"):
                    break
            process.terminate()
            errors = process.communicate(timeout=60)[1]
            check(f"{name}: {title} starts as rendered", process.returncode == 0 and "watched on" in said, said + errors)


def scaling():
    """The rendered rules on made-up loads."""
    gib = 1 << 30
    rules = {}
    for kind in ("hpa", "keda"):
        values = {"scaling": {"kind": kind, "min": 1, "max": 10, "bytesPerWorker": gib, "cooldownSeconds": 300}}
        (manifest,) = of(render(values), {"hpa": "HorizontalPodAutoscaler", "keda": "ScaledObject"}[kind]).values()
        rules[kind] = autoscale.Rule.of(manifest)
    for kind, rule in rules.items():
        numbers = lambda load, replicas, seconds: [n for _, n in autoscale.follow(rule, replicas, load, seconds)]
        check(f"{kind}: idle stays at the least", set(numbers(lambda _: 0, 1, 600)) == {1})
        burst = numbers(lambda _: 100 * gib, 1, 120)
        check(f"{kind}: a burst gets all", burst[-1] == 10 and burst == sorted(burst), burst)
        check(f"{kind}: within three steps", 10 in burst[:4], burst)
        noisy = autoscale.follow(rule, 5, lambda now: (5.2 if now % 30 else 4.8) * gib, 1800)
        check(f"{kind}: noise changes nothing", autoscale.changes(noisy) == 0, noisy[:9])
        saw = autoscale.follow(rule, 1, lambda now: (8 if now % 120 < 60 else 0) * gib, 3600)
        check(f"{kind}: a saw does not shake it", autoscale.changes(saw) <= 4, autoscale.changes(saw))
        done = numbers(lambda now: 8 * gib if now < 60 else 0, 8, 1200)
        check(f"{kind}: what is idle goes, after a while", done[-1] == 1 and set(done[: (60 + 240) // 15]) == {8}, done)
        check(f"{kind}: never beyond its bounds", all(1 <= n <= 10 for n in burst + done))


def image():
    """What of the image can be told without building it."""
    with open(os.path.join(DOCKER, "Dockerfile")) as file:
        lines = [line.strip() for line in file.read().replace("\\\n", " ").splitlines() if line.strip() and line[0] != "#"]
    froms = [line.split()[1] for line in lines if line.startswith("FROM")]
    check("image: bases are pinned", all(re.search(r":(?!latest)[\w.-]+$", base) for base in froms), froms)
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    check("image: it is not root, by number", users and re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1]), users)
    check("image: no secrets", not any(re.match(r"(ENV|ARG) .*(KEY|TOKEN|PASSWORD|SECRET)", line) for line in lines))
    with open(os.path.join(DOCKER, "..", "Cargo.toml")) as file:
        wanted = re.search(r'^rust-version = "([\d.]+)"', file.read(), re.M).group(1)
    has = re.search(r"rust:([\d.]+)", froms[0]).group(1)
    number = lambda version: [int(part) for part in version.split(".")]
    check("image: its compiler is new enough", number(has) >= number(wanted), (has, wanted))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary")
    options = parser.parse_args()
    for name, values in VALUES.items():
        manifests = render(values)
        objects(name, manifests)
        pods(name, manifests)
        if options.binary and name in ("defaults", "buckets"):
            started(options.binary, name, manifests)
    for name, values in REFUSED.items():
        try:
            render(values)
            check(f"{name} is refused", False)
        except HelmError:
            check(f"{name} is refused", True)
    scaling()
    image()
    if options.binary:
        grow.run(options.binary, render, check)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
