"""What a generation has brought so far."""

from __future__ import annotations

from nai_trio.protocol import FinalChunk, IntermediateChunk, RetryChunk, UnknownChunk
from nai_trio.protocol.pictures import Pictures


def preview(samp_ix: int, step_ix: int) -> IntermediateChunk:
    return IntermediateChunk(
        samp_ix=samp_ix, step_ix=step_ix, steps=28, gen_id=1, sigma=1.0, image=b"\xff\xd8\xff%d" % step_ix
    )


def final(samp_ix: int) -> FinalChunk:
    return FinalChunk(samp_ix=samp_ix, gen_id=1, image=b"\x89PNG%d" % samp_ix)


def test_at_first_there_is_nothing() -> None:
    pictures = Pictures()
    assert (pictures.previews, pictures.finals) == ([], [])


def test_the_last_preview_of_each_sample_is_kept_in_the_samples_order() -> None:
    pictures = Pictures()
    for chunk in (preview(2, 0), preview(0, 0), preview(2, 1), preview(0, 1), preview(1, 0), preview(0, 2)):
        pictures.take(chunk)
    assert pictures.previews == [preview(0, 2), preview(1, 0), preview(2, 1)]


def test_a_final_stands_beside_the_previews_and_does_not_replace_them() -> None:
    pictures = Pictures()
    for chunk in (preview(1, 26), final(1), preview(0, 26), final(0)):
        pictures.take(chunk)
    assert pictures.finals == [final(0), final(1)]
    assert pictures.previews == [preview(0, 26), preview(1, 26)]


def test_chunks_without_a_picture_leave_it_as_it_is() -> None:
    pictures = Pictures()
    pictures.take(final(0))
    pictures.take(RetryChunk(message="again"))
    pictures.take(UnknownChunk(event_type="hint", fields={"event_type": "hint"}))
    assert (pictures.previews, pictures.finals) == ([], [final(0)])


def test_the_lists_are_the_callers_own() -> None:
    pictures = Pictures()
    pictures.take(final(0))
    pictures.take(preview(0, 0))
    pictures.finals.clear()
    pictures.previews.clear()
    assert (pictures.previews, pictures.finals) == ([preview(0, 0)], [final(0)])
