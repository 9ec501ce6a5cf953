"""By what our workflows are found in Temporal Web UI."""

from temporalio.common import SearchAttributeKey

PIPELINE = SearchAttributeKey.for_keyword("SlipwayPipeline")
RELEASE = SearchAttributeKey.for_keyword("SlipwayRelease")
STAGE = SearchAttributeKey.for_keyword("SlipwayStage")
ENVIRONMENT = SearchAttributeKey.for_keyword("SlipwayEnvironment")
STATUS = SearchAttributeKey.for_keyword("SlipwayStatus")
WAITING_FOR = SearchAttributeKey.for_keyword("SlipwayWaitingFor")
REQUESTED_BY = SearchAttributeKey.for_keyword("SlipwayRequestedBy")

ALL = (PIPELINE, RELEASE, STAGE, ENVIRONMENT, STATUS, WAITING_FOR, REQUESTED_BY)
