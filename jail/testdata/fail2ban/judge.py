"""Judges lines "TIME HOST" (whole seconds, in order) with fail2ban's own
FailManager and BanManager, as its Filter and Actions threads would: a host is
asked about after each of its failures, idle hosts are swept after each ban and
every 100 lines, bans are lifted before the next line is judged.

usage: judge.py FINDTIME MAXRETRY BANTIME < LINES
prints "AT HOST UNTIL" for each ban that fail2ban's actions would be run for.
"""

import logging
import sys

from fail2ban.server.banmanager import BanManager
from fail2ban.server.failmanager import FailManager, FailManagerEmpty
from fail2ban.server.mytime import MyTime
from fail2ban.server.ticket import BanTicket, FailTicket

findtime, maxretry, bantime = map(int, sys.argv[1:])
logging.disable(logging.CRITICAL)

failures = FailManager()
failures.setMaxTime(findtime)
failures.setMaxRetry(maxretry)
bans = BanManager()
bans.setBanTime(bantime)

for number, line in enumerate(sys.stdin, 1):
    at, host = line.split()
    at = int(at)
    MyTime.setTime(at)  # the log's time is the clock
    bans.unBanList(at)
    failures.addFailure(FailTicket(host, at))
    try:
        ticket = BanTicket.wrap(failures.toBan(host))
        if bans.addBanTicket(ticket):
            print(int(ticket.getTime()), host, int(ticket.getEndOfBanTime(bantime)))
        failures.cleanup(at)
    except FailManagerEmpty:
        pass
    if number % 100 == 0:
        failures.cleanup(at)
