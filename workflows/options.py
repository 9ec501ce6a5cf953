"""How long each activity may take and how it is tried again. Every activity call takes its options from here."""

from datetime import timedelta

from temporalio.common import RetryPolicy

# The projection must be written; the workflow waits for the store as long as it takes.
RECORD_TIMEOUT = timedelta(seconds=10)
RECORD_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=10))

# A source that answers nothing is asked again for about two minutes, then the release says so.
PIN_TIMEOUT = timedelta(hours=2)
PIN_HEARTBEAT = timedelta(seconds=15)
PIN_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=30),
    maximum_attempts=8,
    non_retryable_error_types=[
        "ArtifactNotFound",
        "SourceDenied",
        "UnknownConnection",
        "UnsafeArtifact",
        "WrongDigest",
    ],
)

# The sources are asked for 20 seconds; what they have not said by then, nobody waits for.
CHANGES_ASKED_FOR_SECONDS = 20.0
CHANGES_TIMEOUT = timedelta(seconds=30)
CHANGES_WITHIN = timedelta(seconds=60)
CHANGES_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=2)

FIND_AGENT_TIMEOUT = timedelta(seconds=10)
FIND_AGENT_RETRY = RetryPolicy(maximum_interval=timedelta(seconds=10))

# A mail is tried until the approval it is about expires, or its deployment ends.
MAIL_TIMEOUT = timedelta(seconds=60)
MAIL_HEARTBEAT = timedelta(seconds=15)
MAIL_RETRY = RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=5))

TURN_TIMEOUT = timedelta(seconds=10)
TURN_RETRY = RetryPolicy(maximum_interval=timedelta(seconds=10))

# A busy agent refuses with a retryable AgentBusy; a hold that was lost is never given to another agent.
HOLD_TIMEOUT = timedelta(days=30)
HOLD_HEARTBEAT = timedelta(seconds=10)
HOLD_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=1.0,
    non_retryable_error_types=["TemporalTimeout:Heartbeat", "TemporalTimeout:StartToClose", "LeaseGone"],
)

# A step is joined, never started twice, so the server may hand the task out again as often as it likes.
STEP_HEARTBEAT = timedelta(seconds=15)
STEP_SLACK = timedelta(days=1)
STEP_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    maximum_interval=timedelta(seconds=5),
    non_retryable_error_types=[
        "TemporalTimeout:StartToClose",
        "ArtifactNotFound",
        "LeaseGone",
        "SourceDenied",
        "UnknownConnection",
        "UnsafeArtifact",
        "WrongDigest",
    ],
)
DOWNLOAD_TIMEOUT = timedelta(hours=6)
DOWNLOAD_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=30),
    maximum_attempts=8,
    non_retryable_error_types=STEP_RETRY.non_retryable_error_types,
)

# Word to an agent that it should stop; one that does not answer has lost its lease anyway.
AGENT_WORD_TIMEOUT = timedelta(seconds=30)
AGENT_WORD_RETRY = RetryPolicy(maximum_attempts=5, maximum_interval=timedelta(seconds=2))
AGENT_STOPS_WITHIN = timedelta(seconds=40)

# A look at a source that does not end is given up before too many gather; the next poll comes by itself.
LOOK_TIMEOUT = timedelta(minutes=2)
LOOK_WITHIN = timedelta(minutes=10)
LOOK_HEARTBEAT = timedelta(seconds=15)
LOOK_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))
