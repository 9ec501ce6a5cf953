"""What the sandboxes leave out holds only as long as our data converter is as it is."""

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import CompositePayloadConverter, DefaultFailureConverter, WithSerializationContext


def test_no_part_of_the_data_converter_takes_a_context() -> None:
    """The sandbox is not asked for one, so a part that wanted it would never be told."""
    payloads = pydantic_data_converter.payload_converter_class()
    assert isinstance(payloads, CompositePayloadConverter)
    parts = [*payloads.converters.values(), pydantic_data_converter.failure_converter_class()]
    assert [] == [part for part in parts if isinstance(part, WithSerializationContext)]
    assert DefaultFailureConverter is pydantic_data_converter.failure_converter_class
    assert pydantic_data_converter.payload_codec is None


def test_payloads_are_kept_in_the_history_alone() -> None:
    """The sandbox is not asked either where else they go."""
    assert pydantic_data_converter.external_storage is None
