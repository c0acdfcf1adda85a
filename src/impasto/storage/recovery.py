"""What a dead process left half-way is brought to its end.

Rule: posted where the answer is there, void where nothing was sent, and else of unknown outcome,
held at what it can have cost at most. Doing it twice, or in two processes at once, changes nothing.
"""

import asyncio
from collections.abc import Iterable

from impasto.completions.kept import closing_after_crash, encode, ending_of, is_note, keep_long, note_name, state_of
from impasto.domain.ledger import Closing, Generation, Outcome, State
from impasto.storage.ledger import SqlLedger
from impasto.storage.store import Store


async def resolve(generation_id: str, ledger: SqlLedger, store: Store) -> None:
    """Resolve one generation whose process is dead."""
    generation = await ledger.find(generation_id)
    while generation is not None:
        await _close(generation, ledger, store)
        generation = await ledger.find(generation_id)
        # Should the process live after all and have sent just now, nothing was closed: nobody knows the outcome then.
        if generation is not None and generation.state is not State.RUNNING:
            return


async def _close(generation: Generation, ledger: SqlLedger, store: Store) -> None:
    notes = await _notes_of(generation, store)
    closing, answers, making = closing_after_crash(generation, notes)
    text = encode(answers)
    state = state_of(answers, {each.call: each.outcome for each in closing.resolutions})
    ending = ending_of(answers, text, await keep_long(text, store), state, making)
    await ledger.close(Closing(generation.id, closing.resolutions, ending, unless_sent=not generation.sent))
    await _take_away(notes, generation, store)


async def resolve_noted(ledger: SqlLedger, store: Store) -> None:
    """What has ended and is noted still: its process died before it took the note away. Where it had been taken for
    dead before it wrote the note, the note says what was unknown until now."""
    noted = {name.rpartition(".")[0] for name in await asyncio.to_thread(store.names_of_notes)}
    for generation_id in sorted(noted):
        generation = await ledger.find(generation_id)
        if generation is None or generation.state is State.RUNNING:
            continue
        if any(call.outcome is Outcome.UNKNOWN for call in generation.calls):
            await resolve(generation_id, ledger, store)
        else:
            await _take_away(await _notes_of(generation, store), generation, store)


async def _take_away(notes: Iterable[int], generation: Generation, store: Store) -> None:
    """Those that were read and no others, which a process that lives after all may be writing."""
    for call in notes:
        await store.note(note_name(generation.id, call), None)


async def _notes_of(generation: Generation, store: Store) -> dict[int, bytes]:
    notes: dict[int, bytes] = {}
    for call in generation.calls:
        note = await store.noted(note_name(generation.id, call.call))
        if note is not None and is_note(note):  # one that cannot be read is left where it is: a later version may
            notes[call.call] = note
    return notes
