"""What runs inside Redis: takes and corrections, as many at a time as came together.

The clock is Redis's own, so that processes need not agree on the time. A window is a hash: parts
of a sixtieth of its period, their sum and the first of them; like `gates.Window` it forgets a part
only when all of it is a period old. A bucket is a level and when it was that. Slots are a sorted
set of leases, which end when nobody renews them. All keys expire.
"""

SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local parts = 60
local alone = 50
local full = {}

local function window(key, amount, limit, period)
  local step = period / parts
  local part = math.floor(now / step)
  local had = redis.call('HMGET', key, 'used', 'first')
  local used = tonumber(had[1]) or 0
  local first = tonumber(had[2]) or part
  if first < part - parts then
    for old = first, part - parts - 1 do
      local gone = redis.call('HGET', key, old)
      if gone then
        used = used - gone
        redis.call('HDEL', key, old)
      end
    end
    first = part - parts
    redis.call('HSET', key, 'used', used, 'first', first)
  end
  local missing = used + math.min(amount, limit) - limit
  if missing <= 0 then return 0 end
  for old = first, part do
    missing = missing - (tonumber(redis.call('HGET', key, old)) or 0)
    if missing <= 0 then return math.max(1, (old + parts + 1) * step - now) end
  end
  return period
end

local function bucket(key, amount, limit, rate, level, told)
  local had = redis.call('HMGET', key, 'level', 'at')
  local have = tonumber(had[1])
  if have then
    have = math.min(limit, have + (now - tonumber(had[2])) * rate)
    if told == 1 then have = math.min(have, level) end
  else
    have = level
  end
  redis.call('HSET', key, 'level', string.format('%.3f', have), 'at', now)
  redis.call('PEXPIRE', key, 300000)
  local missing = math.min(amount, limit) - have
  if missing <= 0 then return 0 end
  if rate <= 0 then return 1000 end
  return math.max(1, missing / rate)
end

local function slots(key, limit)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  if redis.call('ZCARD', key) < limit then return 0 end
  return alone
end

local function blocked(key)
  return math.max(0, redis.call('PTTL', key))
end

local function take(member, gates)
  local longest, which = 0, 0
  for place, gate in ipairs(gates) do
    local key, kind = KEYS[gate[1]], gate[2]
    local wait = full[key] or 0
    if wait == 0 then
      if kind == 'w' then wait = window(key, gate[3], gate[4], gate[5])
      elseif kind == 'b' then wait = bucket(key, gate[3], gate[4], gate[5], gate[6], gate[7])
      elseif kind == 's' then wait = slots(key, gate[3])
      else wait = blocked(key) end
      if wait > 0 then full[key] = wait end
    end
    if wait > longest then longest, which = wait, place end
  end
  if longest > 0 then return { -1, math.ceil(longest), which } end
  local marks = {}
  for _, gate in ipairs(gates) do
    local key, kind = KEYS[gate[1]], gate[2]
    if kind == 'w' then
      local part = math.floor(now / (gate[5] / parts))
      redis.call('HINCRBY', key, part, gate[3])
      redis.call('HINCRBY', key, 'used', gate[3])
      redis.call('HSETNX', key, 'first', part)
      redis.call('PEXPIRE', key, gate[5] * 2)
      marks[#marks + 1] = part
    elseif kind == 'b' then
      redis.call('HINCRBYFLOAT', key, 'level', -gate[3])
    elseif kind == 's' then
      redis.call('ZADD', key, now + gate[4], member)
      redis.call('PEXPIRE', key, gate[4] * 2)
    end
  end
  return marks
end

local function correct(gates)
  for _, gate in ipairs(gates) do
    local key, kind = KEYS[gate[1]], gate[2]
    if kind == 'w' then
      if redis.call('HEXISTS', key, gate[3]) == 1 then
        redis.call('HINCRBY', key, gate[3], gate[4])
        redis.call('HINCRBY', key, 'used', gate[4])
      end
    elseif kind == 'b' then
      if redis.call('EXISTS', key) == 1 then
        redis.call('HINCRBYFLOAT', key, 'level', gate[3])
      end
    elseif kind == 's' then
      redis.call('ZREM', key, gate[3])
    elseif kind == 'r' then
      redis.call('ZADD', key, 'XX', now + gate[4], gate[3])
      redis.call('PEXPIRE', key, gate[4] * 2)
    elseif redis.call('PTTL', key) < gate[3] then
      redis.call('SET', key, 1, 'PX', gate[3])
    end
  end
  return { }
end

redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[2]) * 2)
local answers = { redis.call('ZCARD', KEYS[1]) }
for _, op in ipairs(cjson.decode(ARGV[3])) do
  if op[1] == '' then
    answers[#answers + 1] = correct(op[2])
  else
    answers[#answers + 1] = take(op[1], op[2])
  end
end
return answers
"""
