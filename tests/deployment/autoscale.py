"""The rule by which workers come and go, taken from the rendered objects and applied to figures.

What Kubernetes documents of its HorizontalPodAutoscaler: desired = ceil(current * metric / target) with a tolerance of a
tenth; the lowest of the stabilisation window on the way down; policies that bound each step. KEDA makes such an object,
and goes to none and back by itself.
"""

import math
from dataclasses import dataclass, field

TOLERANCE = 0.1


@dataclass
class Policy:
    kind: str  # Pods or Percent
    value: int
    seconds: float

    def room(self, before):
        """How many pods it lets come or go, of those that there were."""
        return self.value if self.kind == "Pods" else math.ceil(before * self.value / 100)


@dataclass
class Rule:
    least: int
    most: int
    bytes_per_worker: int
    up: list
    down: list
    window: float

    @classmethod
    def of(cls, manifest):
        """The rule of a HorizontalPodAutoscaler or a ScaledObject."""
        spec = manifest["spec"]
        if manifest["kind"] == "ScaledObject":
            behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
            target = spec["triggers"][0]["metadata"]["threshold"]
            bounds = spec["minReplicaCount"], spec["maxReplicaCount"]
        else:
            behavior = spec["behavior"]
            target = spec["metrics"][0]["external"]["target"]["averageValue"]
            bounds = spec["minReplicas"], spec["maxReplicas"]
        # What Kubernetes takes where nothing is said.
        up = behavior.get("scaleUp", {}).get("policies") or [
            {"type": "Percent", "value": 100, "periodSeconds": 15},
            {"type": "Pods", "value": 4, "periodSeconds": 15},
        ]
        policies = lambda rows: [Policy(row["type"], row["value"], row["periodSeconds"]) for row in rows]
        down = behavior["scaleDown"]
        return cls(*bounds, int(target), policies(up), policies(down["policies"]), down["stabilizationWindowSeconds"])


@dataclass
class Controller:
    rule: Rule
    replicas: int
    wishes: list = field(default_factory=list)  # (time, desired)
    history: list = field(default_factory=list)  # (time, replicas), after each step

    def step(self, now, pending_bytes):
        """Number of workers that there should be, given what the running queries are to read."""
        rule = self.rule
        desired = math.ceil(pending_bytes / rule.bytes_per_worker)
        if self.replicas and abs(pending_bytes / (rule.bytes_per_worker * self.replicas) - 1) <= TOLERANCE:
            desired = self.replicas
        desired = min(max(desired, rule.least), rule.most)
        self.wishes = [wish for wish in self.wishes if now - wish[0] <= rule.window] + [(now, desired)]
        if desired < self.replicas:
            desired = min(self.replicas, max(wish for _, wish in self.wishes))
        if desired > self.replicas:
            room = max(self.before(now, policy) + policy.room(self.before(now, policy)) for policy in rule.up)
            desired = min(desired, max(room, 1))
        elif desired < self.replicas:
            floor = min(self.before(now, policy) - policy.room(self.before(now, policy)) for policy in rule.down)
            desired = max(desired, floor)
        self.replicas = desired
        self.history.append((now, desired))
        return desired

    def before(self, now, policy):
        """How many there were when the policy's period began."""
        past = [replicas for time, replicas in self.history if now - time >= policy.seconds]
        return past[-1] if past else (self.history[0][1] if self.history else self.replicas)


def changes(history):
    numbers = [replicas for _, replicas in history]
    return sum(a != b for a, b in zip(numbers, numbers[1:]))


def follow(rule, replicas, load, seconds, every=15):
    """The history of a controller under a load, a function of time."""
    controller = Controller(rule, replicas)
    for now in range(0, seconds, every):
        controller.step(now, load(now))
    return controller.history
