-- wrk's side of bench/run: the same signed order again and again, each under a new delivery id, as Shopify does.
-- wrk -s post.lua URL -- FOLDER PREFIX [MS]: FOLDER holds `head` (request line and headers up to the id) and `body`. With MS
-- each connection waits as long between its requests, and each request says to the microsecond when it was sent.
local ffi = require("ffi")
ffi.cdef("struct moment { long s; long us; }; int gettimeofday(struct moment *, void *);")
local moment = ffi.new("struct moment")
local head, body, count, pause_ms, spread_ms = nil, nil, 0, nil, 0

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

-- Whole milliseconds: what is left over is carried on, so that the mean is right.
local function paced()
  spread_ms = spread_ms + pause_ms
  local whole = math.floor(spread_ms)
  spread_ms = spread_ms - whole
  return whole
end

function init(args)
  head = read(args[1] .. "/head") .. args[2] .. "-"
  body = "\r\n\r\n" .. read(args[1] .. "/body")
  pause_ms = tonumber(args[3])
  if pause_ms ~= nil then delay = paced end -- wrk asks it before each request
end

function request()
  count = count + 1
  if pause_ms == nil then return head .. count .. body end
  ffi.C.gettimeofday(moment, nil)
  local at = os.date("!%Y-%m-%dT%H:%M:%S", tonumber(moment.s)) .. string.format(".%06dZ", tonumber(moment.us))
  return head .. count .. "\r\nX-Shopify-Triggered-At: " .. at .. body
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\n{"requests":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), e.status,
    e.connect + e.read + e.write + e.timeout))
end
