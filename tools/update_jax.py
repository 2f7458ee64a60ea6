"""Times one MADDPG update of all agents in JAX, where XLA compiles the whole update as one program, with the agents stacked.

Usage: python update_jax.py AGENTS HIDDEN BATCH OBSERVATION ACTION UPDATES THREADS [SCAN]

The same work as in update_pytorch.py: per agent a critic regression on target networks, a policy gradient through the critic with
the other agents' replayed actions, Adam on both, Polyak averaging of both targets; two hidden layers, ReLU, tanh actor. SCAN updates
(default 10) run inside one call, as fast public learners do. Prints milliseconds per update of all agents. One thread: XLA is told to
use no thread pool and the process is pinned.
"""

import os
import sys
import time

agents, hidden, batch, obs_size, act_size, updates, threads = map(int, sys.argv[1:8])
scan = int(sys.argv[8]) if len(sys.argv) > 8 else 10
if threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["OMP_NUM_THREADS"] = "1"
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})

import jax
import jax.numpy as jnp

joint = agents * (obs_size + act_size)


def mlp(key, sizes):
    keys = jax.random.split(key, len(sizes))
    shapes = list(zip(sizes[:-1], sizes[1:]))
    return [
        (jax.random.uniform(k, (agents, i, o), minval=-1, maxval=1) / i**0.5, jnp.zeros((agents, 1, o)))
        for k, (i, o) in zip(keys, shapes)
    ]


def forward(net, x):  # one agent's network; x: [batch, inputs]
    for index, (weight, bias) in enumerate(net):
        x = x @ weight + bias
        if index < len(net) - 1:
            x = jax.nn.relu(x)
    return x


def adam(net, moments, gradient, step):
    first, second = moments
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
    rate = 1e-3 * jnp.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    net = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), net, first, second)
    return net, (first, second)


def zeros(net):
    return jax.tree.map(jnp.zeros_like, net), jax.tree.map(jnp.zeros_like, net)


key = jax.random.PRNGKey(0)
actor, critic = mlp(key, [obs_size, hidden, hidden, act_size]), mlp(key, [joint, hidden, hidden, 1])
state = (actor, actor, critic, critic, zeros(actor), zeros(critic), jnp.float32(0))
k = jax.random.split(key, 4)
data = (
    jax.random.normal(k[0], (agents, batch, obs_size)),
    jax.random.normal(k[1], (agents, batch, obs_size)),
    jax.random.normal(k[2], (agents, batch, act_size)),
    jax.random.normal(k[3], (batch, 1)),
)


def rows(obs, act):  # [batch, joint]
    return jnp.concatenate([*obs, *act], 1)


def update(state, _):
    actor, actor_target, critic, critic_target, actor_moments, critic_moments, step = state
    obs, next_obs, act, reward = data
    step = step + 1
    next_act = jnp.tanh(jax.vmap(forward)(actor_target, next_obs))
    next_row, row = rows(next_obs, next_act), rows(obs, act)
    target = reward + 0.95 * jax.vmap(forward, (0, None))(critic_target, next_row)

    def critic_loss(critic):
        return (((jax.vmap(forward, (0, None))(critic, row) - target) ** 2).mean((1, 2))).sum()

    critic, critic_moments = adam(critic, critic_moments, jax.grad(critic_loss)(critic), step)

    def actor_loss(actor):
        own = jnp.tanh(jax.vmap(forward)(actor, obs))
        stacked = jnp.stack([rows(obs, act.at[i].set(own[i])) for i in range(agents)])
        return -(jax.vmap(forward)(critic, stacked).mean((1, 2))).sum()

    actor, actor_moments = adam(actor, actor_moments, jax.grad(actor_loss)(actor), step)
    move = lambda target, net: jax.tree.map(lambda t, n: t + 0.01 * (n - t), target, net)
    return (actor, move(actor_target, actor), critic, move(critic_target, critic), actor_moments, critic_moments, step), None


many = jax.jit(lambda state: jax.lax.scan(update, state, None, length=scan)[0])
state = jax.block_until_ready(many(state))
state = jax.block_until_ready(many(state))
calls = max(1, updates // scan)
start = time.perf_counter()
for _ in range(calls):
    state = many(state)
jax.block_until_ready(state)
seconds = time.perf_counter() - start
print(seconds * 1e3 / (calls * scan))
