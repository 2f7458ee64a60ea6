"""Times one MADDPG update of all agents in eager PyTorch, written as in public implementations.

Usage: python update_pytorch.py AGENTS HIDDEN BATCH OBSERVATION ACTION UPDATES THREADS [DEVICE]

Per agent: critic regression on target networks, policy gradient through the critic with the other agents' replayed
actions, Adam on both, Polyak averaging of both targets. Two hidden layers, ReLU, tanh actor. Prints milliseconds per
update of all agents.
"""

import sys
import time

import torch
from torch import nn

agents, hidden, batch, obs_size, act_size, updates, threads = map(int, sys.argv[1:8])
torch.set_num_threads(threads)
device = sys.argv[8] if len(sys.argv) > 8 else "cpu"
torch.set_default_device(device)


def finish():
    """Waits until the device has finished."""
    if device != "cpu":
        torch.cuda.synchronize()


def mlp(inputs, outputs, tanh):
    tail = [nn.Tanh()] if tanh else []
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs), *tail
    )


joint = agents * (obs_size + act_size)
nets = []
for _ in range(agents):
    actor, actor_target = mlp(obs_size, act_size, True), mlp(obs_size, act_size, True)
    critic, critic_target = mlp(joint, 1, False), mlp(joint, 1, False)
    adam = [torch.optim.Adam(net.parameters(), 1e-3) for net in (actor, critic)]
    nets.append((actor, actor_target, critic, critic_target, *adam))

obs = [torch.randn(batch, obs_size) for _ in range(agents)]
next_obs = [torch.randn(batch, obs_size) for _ in range(agents)]
act = [torch.randn(batch, act_size) for _ in range(agents)]
reward = torch.randn(batch, 1)

warm_up = 20
for k in range(updates + warm_up):
    if k == warm_up:
        finish()
        start = time.perf_counter()
    with torch.no_grad():
        next_joint = torch.cat(next_obs + [n[1](o) for n, o in zip(nets, next_obs)], 1)
    replayed = torch.cat(obs + act, 1)
    for i, (actor, _, critic, critic_target, actor_adam, critic_adam) in enumerate(nets):
        with torch.no_grad():
            target = reward + 0.95 * critic_target(next_joint)
        loss = ((critic(replayed) - target) ** 2).mean()
        critic_adam.zero_grad()
        loss.backward()
        critic_adam.step()
        joint_now = torch.cat(obs + [actor(obs[i]) if j == i else act[j] for j in range(agents)], 1)
        loss = -critic(joint_now).mean()
        actor_adam.zero_grad()
        loss.backward()
        actor_adam.step()
    with torch.no_grad():
        for actor, actor_target, critic, critic_target, *_ in nets:
            torch._foreach_lerp_(list(actor_target.parameters()), list(actor.parameters()), 0.01)
            torch._foreach_lerp_(list(critic_target.parameters()), list(critic.parameters()), 0.01)

finish()
print(f"{(time.perf_counter() - start) * 1e3 / updates:.3f}")
