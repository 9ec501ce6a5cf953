"""How much of each trial the tests do, and how much ``make soak`` does."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Amount:
    """``gate`` is what fits into the tests; the unit is the trial's own."""

    gate: int
    nightly: int


AMOUNTS = {
    "vote_storm": Amount(gate=500, nightly=20_000),  # votes, each sent up to five times
    "vote_race": Amount(gate=200, nightly=5_000),  # races
    "webhook_storm": Amount(gate=40, nightly=10_000),  # webhooks, each sent up to five times
    "mail_faults": Amount(gate=50, nightly=1_000),  # mails
    "requester_bypass": Amount(gate=100, nightly=2_000),  # ways, every other one an address spelt anyhow
    "token_forgery": Amount(gate=100_000, nightly=1_000_000),  # random tokens
    "hostile_downloads": Amount(gate=50, nightly=1_000),  # downloads
    "cut_off": Amount(gate=20, nightly=200),  # cuts, of a second to ten minutes
    "big_logs": Amount(gate=100, nightly=1000),  # MB of logs
    "hostile_values": Amount(gate=500, nightly=5000),  # values of variables
    "worker_kills": Amount(gate=20, nightly=500),  # releases
    "orderly_ends": Amount(gate=20, nightly=40),  # SIGTERMs
    "agent_kills": Amount(gate=28, nightly=500),  # kills of agents, 28 over 40 steps each round
}
