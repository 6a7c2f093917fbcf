"""The rows of posts, buddy groups and chats."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from .chance import happens, pick
from .copytext import DAY, NULL, escape, jsonb, stamp
from .identifiers import identifier
from .schooldays import DAYS
from .sizes import COMMENTS_PER_POST, LIKES_PER_POST, MEMBERS_PER_GROUP, MESSAGES_PER_THREAD
from .vocabulary import SENTENCES, SUBJECTS, TAGS
from .world import SPACING, World

_TEXTS = 200


def _texts(random: Random, longest: int) -> list[str]:
    """Texts of one to ``longest`` sentences, escaped."""
    return [escape(" ".join(random.choices(SENTENCES, k=1 + int(random.random() * longest)))) for _ in range(_TEXTS)]


def _some(random: Random, count: int, number: int) -> list[int]:
    """That many different indices below ``count``, at equal distances from a random start."""
    start, step = int(random.random() * count), 1 + int(random.random() * (count // number - 1))
    return [(start + place * step) % count for place in range(number)]


def posts(world: World) -> Iterator[str]:
    """Active users write more posts."""
    random = world.random("SocialPost")
    texts = _texts(random, 4)
    everyone = range(world.size.users)
    for number, key in enumerate(world.post_ids):
        created = world.post_created[number]
        author = random.choices(everyone, cum_weights=world.activity)[0]
        if world.user_created[author] >= created:
            author = number % (world.regulars // 2)
        course = world.course_ids[world.enrolled[author][0]] if happens(random, 0.6) else NULL
        visibility = "PRIVATE" if happens(random, 0.05) else "PUBLIC" if course == NULL else "COURSE"
        metadata = jsonb({"tags": random.sample(TAGS, 2), "editor": {"markdown": number % 3 == 0}}) if number % 4 else NULL
        yield (
            f"{key}\t{world.user_ids[author]}\t{course}\t{pick(random, texts)}\t{visibility}\t{LIKES_PER_POST}"
            f"\t{COMMENTS_PER_POST}\t{metadata}\t{stamp(created)}\t{stamp(created)}\n"
        )


def comments(world: World) -> Iterator[str]:
    """Three a post; the last answers the one before."""
    random = world.random("PostComment")
    texts = _texts(random, 2)
    for post, key in enumerate(world.post_ids):
        written, parent = world.post_created[post], NULL
        for place in range(COMMENTS_PER_POST):
            written += int(random.random() * (world.now - written) * 0.3)
            comment = identifier(written, 16 * SPACING + post * COMMENTS_PER_POST + place, world.seed)
            author = world.user_ids[int(random.random() * world.regulars)]
            answered = parent if place == COMMENTS_PER_POST - 1 else NULL
            text = pick(random, texts)
            yield f"{comment}\t{key}\t{author}\t{answered}\t{text}\t{stamp(written)}\t{stamp(written)}\n"
            parent = comment


def likes(world: World) -> Iterator[str]:
    """Five a post, of different users."""
    random = world.random("PostLike")
    for post, key in enumerate(world.post_ids):
        created = world.post_created[post]
        for user in _some(random, world.size.users, LIKES_PER_POST):
            yield f"{key}\t{world.user_ids[user]}\t{stamp(created + int(random.random() * (world.now - created)))}\n"


def _members(world: World) -> list[list[int]]:
    """The users of each group; the first owns it."""
    random = world.random("members")
    return [_some(random, world.size.users, MEMBERS_PER_GROUP) for _ in range(world.size.groups)]


def groups(world: World) -> Iterator[str]:
    """One in three has no course."""
    created = stamp(world.now - (DAYS + 20) * DAY)
    for number, (key, members) in enumerate(zip(world.group_ids, _members(world), strict=True)):
        course = NULL if number % 3 == 0 else world.course_ids[world.enrolled[members[0]][0]]
        settings = jsonb({"chat": {"muted": number % 11 == 0}, "meeting": {"weekday": number % 5, "hour": 16}})
        yield (
            f"{key}\t{SUBJECTS[number % len(SUBJECTS)]} buddies {number}\t{world.user_ids[members[0]]}\t{course}\t8"
            f"\t{'t' if number % 4 == 0 else 'f'}\t{settings}\t{created}\t{created}\n"
        )


def members(world: World) -> Iterator[str]:
    """Five a group."""
    number = 17 * SPACING
    for key, users in zip(world.group_ids, _members(world), strict=True):
        for place, user in enumerate(users):
            joined = max(world.user_created[user], world.now - (DAYS - place) * DAY)
            role = ("OWNER", "MODERATOR", "MEMBER")[min(place, 2)]
            yield f"{identifier(joined, number, world.seed)}\t{key}\t{world.user_ids[user]}\t{role}\t{stamp(joined)}\n"
            number += 1


def _talkers(world: World) -> list[list[int]]:
    """The users of each thread: the groups' first, then pairs."""
    random = world.random("pairs")
    return [*_members(world), *(_some(random, world.size.users, 2) for _ in range(world.size.direct_threads))]


def threads(world: World) -> Iterator[str]:
    """A group's thread has its title, a chat of two has none."""
    created = stamp(world.now - (DAYS + 20) * DAY)
    for number, key in enumerate(world.thread_ids):
        last = stamp(world.now - 1)
        group, title = (world.group_ids[number], f"Group {number}") if number < world.size.groups else (NULL, NULL)
        yield f"{key}\t{group}\t{title}\t{last}\t{created}\t{last}\n"


def participants(world: World) -> Iterator[str]:
    """One in six has never read the thread."""
    random = world.random("ChatParticipant")
    joined = stamp(world.now - DAYS * DAY)
    for key, users in zip(world.thread_ids, _talkers(world), strict=True):
        for user in users:
            read = stamp(world.now - 1 - int(random.random() * 20 * DAY)) if happens(random, 5 / 6) else NULL
            yield f"{key}\t{world.user_ids[user]}\t{read}\t{joined}\n"


def messages(world: World) -> Iterator[str]:
    """Thirty a thread, spread over the days of the logs; the last is from just before the reference date."""
    random = world.random("ChatMessage")
    draw = random.random
    texts = _texts(random, 3)
    attachment = jsonb([{"kind": "image", "name": "sketch.png", "size": {"bytes": 48_213, "w": 900, "h": 600}}])
    number = 18 * SPACING
    step = DAYS * DAY // MESSAGES_PER_THREAD
    for key, users in zip(world.thread_ids, _talkers(world), strict=True):
        for place in range(MESSAGES_PER_THREAD):
            sent = world.now - 1 - (MESSAGES_PER_THREAD - 1 - place) * step
            sent -= int(draw() * step / 2) if place < MESSAGES_PER_THREAD - 1 else 0
            sender = pick(random, users)
            attached = attachment if happens(random, 0.04) else NULL
            edited = stamp(min(sent + 30_000, world.now - 1)) if happens(random, 0.03) else NULL
            yield (
                f"{identifier(sent, number, world.seed)}\t{key}\t{world.user_ids[sender]}\t{pick(random, texts)}"
                f"\t{attached}\t{edited}\t{stamp(sent)}\n"
            )
            number += 1
