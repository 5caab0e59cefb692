"""Event-based gated recurrent units (Subramoney et al., arXiv 2206.06178), the released code's form.

    z = sigmoid(Wz x + bz + Rz y')     r = sigmoid(Wr x + br + Rr y')
    g = tanh(Wg x + bg + r (Rg y' + cg))
    c = z h' + (1 - z) g               o = 1 if c > theta, else 0
    h = c - o theta                    y = o c

Backward, do/dc = gamma max(0, 1 - beta |c - theta|).
"""

import torch


class Event(torch.autograd.Function):
    @staticmethod
    def forward(ctx, distance, gamma, beta):
        ctx.save_for_backward(distance)
        ctx.gamma, ctx.beta = gamma, beta
        return (distance > 0).to(distance.dtype)

    @staticmethod
    def backward(ctx, grad):
        (distance,) = ctx.saved_tensors
        return grad * ctx.gamma * (1 - ctx.beta * distance.abs()).clamp(min=0), None, None


class Egru(torch.nn.Module):
    def __init__(self, inputs, units, theta=0.2, gamma=1.0, beta=1.5):
        super().__init__()
        self.units, self.gamma, self.beta = units, gamma, beta
        self.kernel = torch.nn.Parameter(torch.empty(3 * units, inputs))
        self.recurrent = torch.nn.Parameter(torch.empty(3 * units, units))
        self.bias = torch.nn.Parameter(torch.zeros(3 * units))
        self.recurrent_bias = torch.nn.Parameter(torch.zeros(3 * units))
        torch.nn.init.xavier_uniform_(self.kernel)
        torch.nn.init.orthogonal_(self.recurrent, 0.5)
        with torch.no_grad():
            self.bias[:units].uniform_(0.0, 2.0)  # keep for 2 to 8 steps
        self.register_buffer("theta", theta * (0.5 + torch.rand(units)))

    def forward(self, x):
        """x is (steps, batch, inputs); returns outputs and whether each is an event."""
        u = self.units
        w = x @ self.kernel.T + self.bias
        h = torch.zeros_like(w[0, :, :u])
        y = h
        outputs, events = [], []
        for t in range(x.shape[0]):
            r = torch.addmm(self.recurrent_bias, y, self.recurrent.T)
            z = torch.sigmoid(w[t, :, :u] + r[:, :u])
            reset = torch.sigmoid(w[t, :, u : 2 * u] + r[:, u : 2 * u])
            g = torch.tanh(w[t, :, 2 * u :] + reset * r[:, 2 * u :])
            c = z * h + (1 - z) * g
            o = Event.apply(c - self.theta, self.gamma, self.beta)
            h = c - o * self.theta
            y = o * c
            outputs.append(y)
            events.append(o)
        return torch.stack(outputs), torch.stack(events)
