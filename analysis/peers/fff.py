"""A fast feedforward network, with and without master leaf, as fast as PyTorch's own operations let
it be on one thread: all nodes, leaves and the master leaf in one product; the mixture as a product
in the logarithm with a matrix of paths; Adam in five passes. Written for the comparison with
`espalier bench train`; check.py shows that it computes the same.

Dimensions: B examples, F features, N nodes, L leaves, M hidden units of the master leaf, O outputs.
"""
import math

import torch
import torch.nn.functional as functional

CLAMP = 1e-6  # of p in the hardening term
BOUND = math.log1p(-CLAMP) - math.log(CLAMP)


def path_matrix(depth):
    """[N x L]: 1 where the path to a leaf goes right at a node, -1 left, 0 where it does not pass."""
    paths = torch.zeros(2**depth - 1, 2**depth)
    for leaf in range(2**depth):
        node = 0
        for level in reversed(range(depth)):
            right = leaf >> level & 1
            paths[node, leaf] = 1 if right else -1
            node = 2 * node + 1 + right
    return paths


class FFF:
    """Losses as arXiv 2405.16836: cross entropy, hardening (mean over batch and nodes), balance."""

    def __init__(self, depth, leaf_width, master_leaf=0, features=784, outputs=10):
        self.depth, self.leaf_width, self.master_leaf = depth, leaf_width, master_leaf
        self.nodes, self.leaves = 2**depth - 1, 2**depth
        self.hidden = self.leaves * leaf_width
        rows = self.nodes + self.hidden + master_leaf
        self.weight = (2 * torch.rand(rows, features) - 1) / features**0.5
        self.bias = (2 * torch.rand(rows) - 1) / features**0.5
        # [(hidden + L) x O]: leaf output weights, then leaf output biases
        self.out = (2 * torch.rand(self.hidden + self.leaves, outputs) - 1) / leaf_width**0.5
        self.parameters = [self.weight, self.bias, self.out]
        if master_leaf > 0:
            self.master_out = (2 * torch.rand(master_leaf, outputs) - 1) / leaf_width**0.5
            self.master_bias = (2 * torch.rand(outputs) - 1) / leaf_width**0.5
            self.k = torch.tensor(0.5)
            self.parameters += [self.master_out, self.master_bias, self.k]
        for parameter in self.parameters:
            parameter.requires_grad_()
        self.paths = path_matrix(depth)
        # log c = sum of log p over right turns and of log(1-p) = log p - z over left turns
        self.log_paths = torch.cat([self.paths.abs(), self.paths.clamp(max=0)])

    def project(self, x):
        """Node scores [B x N], hidden units of leaves [B x L*l] and of the master leaf [B x M]."""
        rows = torch.addmm(self.bias, x, self.weight.t())
        return rows.split([self.nodes, self.hidden, self.master_leaf], 1)

    def finish(self, tree, master_rows):
        if self.master_leaf == 0:
            return tree
        master = torch.addmm(self.master_bias, master_rows.relu(), self.master_out)
        return torch.lerp(master, tree, self.k.sigmoid())

    def routes(self, scores):
        """[B x L]: 1 at the leaf that descent reaches; right iff z >= 0."""
        turns = (scores.detach() >= 0).float().mul_(2).sub_(1)
        return ((turns @ self.paths) == self.depth).float()

    def soft(self, x):
        """Logits of the mixture, and what losses need of routing."""
        scores, leaf_rows, master_rows = self.project(x)
        log_p = functional.logsigmoid(scores)
        mixture = (torch.cat([log_p, scores], 1) @ self.log_paths).exp()
        shape = (-1, self.leaves, self.leaf_width)
        mixed = leaf_rows.relu().view(shape) * mixture.unsqueeze(2)
        tree = torch.cat([mixed.view(-1, self.hidden), mixture], 1) @ self.out
        return self.finish(tree, master_rows), scores, log_p, mixture

    def losses(self, x, labels):
        logits, scores, log_p, mixture = self.soft(x)
        with torch.no_grad():
            share = self.routes(scores).mean(0)
        # H(p) = -p log p - (1-p) log(1-p) = (1-p) z - log p, of p clamped to [1e-6, 1-1e-6]
        z = scores.clamp(-BOUND, BOUND)
        log_p = log_p.clamp(math.log(CLAMP), math.log1p(-CLAMP))
        hardening = (z * (1 - log_p.exp()) - log_p).mean()
        balance = self.leaves * torch.mv(mixture, share).mean()
        return functional.cross_entropy(logits, labels), hardening, balance, logits

    @torch.no_grad()
    def hard(self, x):
        """Logits of one leaf by descent."""
        scores, leaf_rows, master_rows = self.project(x)
        route = self.routes(scores)
        mixed = leaf_rows.relu_().view(-1, self.leaves, self.leaf_width) * route.unsqueeze(2)
        tree = torch.cat([mixed.view(-1, self.hidden), route], 1) @ self.out
        return self.finish(tree, master_rows)


class Adam:
    """As torch.optim.Adam, in fewer passes over memory."""

    def __init__(self, parameters, rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.rate, self.beta1, self.beta2, self.epsilon = rate, beta1, beta2, epsilon
        self.steps = 0
        self.state = [(p, torch.zeros_like(p), torch.zeros_like(p), torch.empty_like(p))
                      for p in parameters]

    @torch.no_grad()
    def step(self):
        self.steps += 1
        scale = (1 - self.beta2**self.steps) ** 0.5
        rate = self.rate * scale / (1 - self.beta1**self.steps)
        for p, mean, square, scratch in self.state:
            gradient, p.grad = p.grad, None
            mean.lerp_(gradient, 1 - self.beta1)
            square.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
            torch.sqrt(square, out=scratch).add_(self.epsilon * scale)
            p.addcdiv_(mean, scratch, value=-rate)


class Training:
    """Data in memory as floats, normalized once; an epoch gathers shuffled batches of 256."""

    def __init__(self, network, data, batch=256):
        self.network, self.data, self.batch = network, data, batch
        self.adam = Adam(network.parameters)
        self.rows = torch.empty(batch, data.train.shape[1])

    def step(self, chosen):
        x = torch.index_select(self.data.train, 0, chosen, out=self.rows[: len(chosen)])
        labels = self.data.train_labels.index_select(0, chosen)
        cross_entropy, hardening, balance, logits = self.network.losses(x, labels)
        loss = cross_entropy + hardening + balance
        loss.backward()
        self.adam.step()
        return loss.detach(), (logits.detach().argmax(1) == labels).sum()

    def epoch(self):
        """One epoch and the hard accuracy on the test set; returns it, running loss and accuracy."""
        loss_sum, hits = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for chosen in torch.randperm(len(self.data.train)).split(self.batch):
            loss, right = self.step(chosen)
            loss_sum += loss * len(chosen)
            hits += right
        chosen = self.network.hard(self.data.test).argmax(1)
        test = (chosen == self.data.test_labels).float().mean().item()
        return test, loss_sum.item() / len(self.data.train), hits.item() / len(self.data.train)
