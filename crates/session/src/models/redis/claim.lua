-- Claims deliveries for one destination: of each session the first event it does not have, unless that waits
-- or is claimed. Answers {stream id, lease, attempts, flat fields} for each.
local group = a.destination
local leases_key = outbox_key .. ':leases:' .. group
if redis.call('EXISTS', outbox_key) == 0 then
  return {}
end
local known = false
for _, info in ipairs(redis.call('XINFO', 'GROUPS', outbox_key)) do
  known = known or info[2] == group
end
if not known then
  redis.call('XGROUP', 'CREATE', outbox_key, group, '0')
end

local claimed = {}
local held = {}

-- The subject is the session; an event about none is its own.
local function consider(id, flat)
  local fields = {}
  for i = 1, #flat, 2 do
    fields[flat[i]] = flat[i + 1]
  end
  local subject = fields.session_id or id
  if held[subject] then
    return
  end
  held[subject] = true
  local free_at, attempts, held_by = 0, 0, ''
  local lease = redis.call('HGET', leases_key, id)
  if lease then
    local times, count, holder = lease:match('^(%d+)|(%d+)|(.*)$')
    free_at, attempts, held_by = tonumber(times), tonumber(count), holder
  end
  -- One that nobody holds was refused, and may wait for longer. What lies still further ahead was written by a clock that
  -- was: it is due.
  local longest = held_by == '' and a.longest_wait or a.longest_lease
  if free_at > a.now and free_at - a.now <= longest then
    return
  end
  lease = int(a.until_) .. '|' .. int(attempts + 1) .. '|' .. a.lease
  redis.call('HSET', leases_key, id, lease)
  claimed[#claimed + 1] = { id, a.lease, int(attempts + 1), flat }
end

-- What was read before and is not acknowledged, then what is new.
local from = '-'
while #claimed < a.max do
  local pending = redis.call('XPENDING', outbox_key, group, from, '+', 100)
  for _, entry in ipairs(pending) do
    if #claimed < a.max then
      local found = redis.call('XRANGE', outbox_key, entry[1], entry[1])
      if found[1] then
        consider(entry[1], found[1][2])
      else
        redis.call('XACK', outbox_key, group, entry[1])
      end
    end
    from = '(' .. entry[1]
  end
  if #pending < 100 then
    break
  end
end
while #claimed < a.max do
  local read = redis.call('XREADGROUP', 'GROUP', group, 'relay', 'COUNT', a.max - #claimed,
    'STREAMS', outbox_key, '>')
  if not read then
    break
  end
  for _, entry in ipairs(read[1][2]) do
    consider(entry[1], entry[2])
  end
end
return claimed
