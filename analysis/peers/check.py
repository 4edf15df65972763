#!/usr/bin/env python3
"""Shows that fff.py computes what espalier does: values, losses, gradients and five steps of Adam
against those of tests/fixtures/oracle, which espalier is tested against too, to 1e-5.

usage: check.py [ORACLE.json...]
"""
import glob
import json
import os
import sys

import torch_here

torch = torch_here.torch
from fff import FFF, Adam  # noqa: E402

TOLERANCE = 1e-5
HERE = os.path.dirname(os.path.abspath(__file__))


def load(case, values):
    """A network of the oracle's published names; see tests/fixtures/oracle."""
    network = FFF(case["depth"], case["leaf_width"], case["master_leaf_width"],
                  case["input_width"], case["output_width"])
    value = {name: torch.tensor(v) for name, v in values.items()}
    rows = [value["node_weights"], value["w1s"].transpose(1, 2).reshape(-1, case["input_width"])]
    biases = [value["node_biases"].flatten(), value["b1s"].flatten()]
    out = torch.cat([value["w2s"].reshape(-1, case["output_width"]), value["b2s"]])
    with torch.no_grad():
        if network.master_leaf > 0:
            rows.append(value["magic_w1"][0].t())
            biases.append(value["magic_b1"][0])
            network.master_out.copy_(value["magic_w2"][0])
            network.master_bias.copy_(value["magic_b2"][0])
            network.k.copy_(value["k"])
        network.weight.copy_(torch.cat(rows))
        network.bias.copy_(torch.cat(biases))
        network.out.copy_(out)
    return network


def unload(network, case, tensors):
    """Tensors in the order of network.parameters, under published names."""
    n, hidden, leaves = network.nodes, network.hidden, network.leaves
    weight, bias, out = tensors[:3]
    first = (leaves, network.leaf_width, case["input_width"])
    result = {
        "node_weights": weight[:n], "node_biases": bias[:n].unsqueeze(1),
        "w1s": weight[n:n + hidden].view(first).transpose(1, 2),
        "b1s": bias[n:n + hidden].view(leaves, -1),
        "w2s": out[:hidden].view(leaves, network.leaf_width, -1), "b2s": out[hidden:]}
    if network.master_leaf > 0:
        result["magic_w1"] = weight[n + hidden:].t().unsqueeze(0)
        result["magic_b1"] = bias[n + hidden:].unsqueeze(0)
        for name, tensor in zip(("magic_w2", "magic_b2"), tensors[3:5]):
            result[name] = tensor.unsqueeze(0)
        result["k"] = tensors[5]
    return result


class Comparison:
    def __init__(self):
        self.compared, self.worst, self.wrong = 0, 0.0, []

    def compare(self, what, ours, expected):
        expected = torch.tensor(expected, dtype=torch.float64)
        norm = expected.norm().item()
        difference = (ours.detach().double().reshape(expected.shape) - expected).norm().item()
        relative = difference / norm if norm > 0 else difference
        self.compared += 1
        self.worst = max(self.worst, relative)
        if not difference <= TOLERANCE * max(norm, 1e-3):
            self.wrong.append(f"{what} differs by {relative:.2g}")


def check_file(path):
    with open(path) as file:
        oracle = json.load(file)
    case, comparison = oracle["case"], Comparison()
    x, labels = torch.tensor(oracle["x"]), torch.tensor(oracle["y"])
    network = load(case, oracle["params"])
    cross_entropy, hardening, balance, logits = network.losses(x, labels)
    losses = {"cross_entropy": cross_entropy, "hardening": hardening, "balance": balance}
    comparison.compare("soft logits", logits, oracle["train_logits"])
    comparison.compare("hard logits", network.hard(x), oracle["hard_logits"])
    for name, loss in losses.items():
        comparison.compare(name, loss, oracle["loss"][name])
        gradients = torch.autograd.grad(loss, network.parameters, retain_graph=True,
                                        allow_unused=True)
        gradients = [torch.zeros_like(p) if g is None else g
                     for p, g in zip(network.parameters, gradients)]
        for tensor, gradient in unload(network, case, gradients).items():
            comparison.compare(f"gradient of {name} by {tensor}", gradient,
                               oracle["grads"][name][tensor])
    adam, steps = Adam(network.parameters), oracle["after_5_steps_h1_a1_lr1e-3_adam"]
    for expected in steps["losses"]:
        cross_entropy, hardening, balance, _ = network.losses(x, labels)
        loss = cross_entropy + hardening + balance
        comparison.compare("loss of a step", loss, expected)
        loss.backward()
        adam.step()
    for tensor, value in unload(network, case, network.parameters).items():
        comparison.compare(f"{tensor} after 5 steps", value, steps["params"][tensor])
    return comparison


def main():
    oracles = os.path.join(HERE, "..", "..", "tests", "fixtures", "oracle", "[fm][fl]*.json")
    paths = sys.argv[1:] or sorted(glob.glob(oracles))
    if not paths:
        sys.exit("error: no oracle file found")
    wrong = False
    for path in paths:
        comparison = check_file(path)
        print(f"{os.path.basename(path)}: {comparison.compared} tensors, "
              f"greatest relative difference {comparison.worst:.1e}")
        for what in comparison.wrong:
            print(f"error: {path}: {what}", file=sys.stderr)
            wrong = True
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
