-- The part of wcx.lua that is written by hand: how a message is found in its transport and how it is shown.
-- lua_gen.py puts the tables ENUMS, SETS and MESSAGES before it; members load wcx.lua alone.

local SCHEMA_ID = 1
local HEADER_SZ, GROUP_HEADER_SZ = 8, 4
local MOLD_HEADER_SZ, TAG_SZ = 20, 8
local NO_SESSION = "          "

local wcx = Proto("wcx", "wcx message (SBE)")
local mold = Proto("wcx_mold", "wcx over MoldUDP64")
local soup = Proto("wcx_soup", "wcx over SoupBinTCP")
wcx.prefs.udp_ports = Pref.range("UDP ports", "7002,7003,7101-7104", "Order entry, re-requests and market data: MoldUDP64", 65535)
wcx.prefs.tcp_ports = Pref.range("TCP ports", "7001,7004-7006", "Order entry, purge, drop copy and market-data replay: SoupBinTCP", 65535)

-- --- fields ----------------------------------------------------------------------------------------

local fields, known = {}, {}

local function add_field(key, make)
  if known[key] == nil then
    known[key] = make()
    fields[#fields + 1] = known[key]
  end
  return known[key]
end

local function snake(name)
  return (name:gsub("(%u+)(%u%l)", "%1_%2"):gsub("([%l%d])(%u)", "%1_%2"):gsub("_+", "_"):lower())
end

local WIDEST = {u8 = "uint16", u16 = "uint16", u32 = "uint32", u64 = "uint64", i8 = "int8", i64 = "int64", time = "uint64", enum = "uint16", set = "uint16"}

-- One filter name a field name, whatever message it stands in: wcx.cl_ord_id finds requests and answers.
local function field_of(field)
  local abbrev, about = "wcx." .. snake(field.name), "FIX tag " .. field.tag
  if field.tag >= 5000 then
    about = "tag " .. field.tag
  end
  local key = abbrev .. "/" .. (WIDEST[field.kind] or field.kind) .. "/" .. (field.ref or "")
  return add_field(key, function()
    if field.kind == "char" then
      return ProtoField.string(abbrev, field.name, base.ASCII, about)
    elseif field.kind == "bytes" then
      return ProtoField.bytes(abbrev, field.name, base.NONE, about)
    elseif field.kind == "enum" then
      return ProtoField.uint16(abbrev, field.name, base.DEC, ENUMS[field.ref], nil, about)
    elseif field.kind == "set" then
      return ProtoField.uint16(abbrev, field.name, base.HEX, nil, nil, about)
    end
    return ProtoField[WIDEST[field.kind]](abbrev, field.name, base.DEC, nil, nil, about)
  end)
end

local function prepare(list)
  for _, field in ipairs(list) do
    field.proto = field_of(field)
    if field.kind == "set" then
      field.choices = {}
      for _, choice in ipairs(SETS[field.ref]) do
        local abbrev = "wcx." .. snake(field.name) .. "." .. snake(choice[1])
        field.choices[#field.choices + 1] = {
          name = choice[1], mask = 2 ^ choice[2],
          proto = add_field(abbrev, function() return ProtoField.bool(abbrev, choice[1], 16, nil, 2 ^ choice[2]) end)}
      end
    end
  end
end

local TEMPLATES = {}
for template, message in pairs(MESSAGES) do
  TEMPLATES[template] = message.name
  prepare(message.fields)
  if message.group then
    prepare(message.group.fields)
  end
end

local own = {
  message = ProtoField.string("wcx.message", "Message"),
  sequence = ProtoField.uint64("wcx.sequence", "Sequence", base.DEC, nil, nil, "number of this message in its stream"),
  block_length = ProtoField.uint16("wcx.header.block_length", "blockLength"),
  template_id = ProtoField.uint16("wcx.header.template_id", "templateId", base.DEC, TEMPLATES),
  schema_id = ProtoField.uint16("wcx.header.schema_id", "schemaId"),
  version = ProtoField.uint16("wcx.header.version", "version"),
  group_block_length = ProtoField.uint16("wcx.group.block_length", "blockLength"),
  group_count = ProtoField.uint16("wcx.group.num_in_group", "numInGroup"),
  appended = ProtoField.bytes("wcx.appended", "Appended by a later version"),
  body = ProtoField.bytes("wcx.body", "Body"),
}
for _, field in pairs(own) do
  fields[#fields + 1] = field
end
wcx.fields = fields

local mold_own = {
  session = ProtoField.string("wcx_mold.session", "Session"),
  sequence = ProtoField.uint64("wcx_mold.sequence", "Sequence", base.DEC, nil, nil, "of the first block; the next one where there is none"),
  count = ProtoField.uint16("wcx_mold.count", "Count"),
  tag = ProtoField.bytes("wcx_mold.tag", "Datagram tag (SipHash-2-4)"),
}
mold.fields = mold_own

local soup_own = {
  length = ProtoField.uint16("wcx_soup.length", "Packet length"),
  type = ProtoField.string("wcx_soup.type", "Packet type"),
  username = ProtoField.string("wcx_soup.username", "Username"),
  password = ProtoField.string("wcx_soup.password", "Password"),
  session = ProtoField.string("wcx_soup.session", "Session"),
  sequence = ProtoField.string("wcx_soup.sequence", "Sequence"),
  reason = ProtoField.string("wcx_soup.reject_reason", "Reject reason"),
  text = ProtoField.string("wcx_soup.text", "Text"),
}
soup.fields = soup_own

local experts = {
  schema = ProtoExpert.new("wcx.unknown_schema", "unknown schema", expert.group.UNDECODED, expert.severity.WARN),
  template = ProtoExpert.new("wcx.unknown_template", "unknown template", expert.group.UNDECODED, expert.severity.WARN),
  short = ProtoExpert.new("wcx.short", "shorter than its lengths say", expert.group.MALFORMED, expert.severity.ERROR),
  trailing = ProtoExpert.new("wcx.trailing", "bytes behind the message", expert.group.MALFORMED, expert.severity.ERROR),
}
wcx.experts = experts

-- --- values ----------------------------------------------------------------------------------------

local NULL_HEX = {i64 = "0000000000000080", u64 = "FFFFFFFFFFFFFFFF", time = "FFFFFFFFFFFFFFFF", u32 = "FFFFFFFF"}

local function utc(value)
  local seconds = (value / UInt64.new(1000000000)):tonumber()
  local nanos = (value % UInt64.new(1000000000)):tonumber()
  return string.format("%s.%09d UTC", os.date("!%Y-%m-%d %H:%M:%S", seconds), nanos)
end

local function show_set(tree, field, range)
  local value, names = range:le_uint(), {}
  local item = tree:add_le(field.proto, range)
  local rest = value
  for _, choice in ipairs(field.choices) do
    if math.floor(value / choice.mask) % 2 == 1 then
      names[#names + 1] = choice.name
      rest = rest - choice.mask
    end
    item:add_le(choice.proto, range)
  end
  if rest ~= 0 then
    names[#names + 1] = string.format("unknown 0x%04x", rest)
  end
  item:append_text(" (" .. (#names == 0 and "none" or table.concat(names, ", ")) .. ")")
end

local function show_bits(item, bits, value)
  local names = {}
  for bit = 0, 15 do
    if math.floor(value / 2 ^ bit) % 2 == 1 then
      names[#names + 1] = bits[bit] or ("unknown bit " .. bit)
    end
  end
  item:append_text(" (" .. (#names == 0 and "none" or table.concat(names, ", ")) .. ")")
end

local function show_field(tree, field, block)
  local range = block(field.off, field.size)
  if field.null and range:bytes():tohex() == NULL_HEX[field.kind] then
    tree:add_le(field.proto, range):set_text(field.name .. ": null")
  elseif field.kind == "set" then
    show_set(tree, field, range)
  elseif field.kind == "char" then
    tree:add(field.proto, range, (range:bytes():raw():gsub("[ %z]+$", "")))
  elseif field.kind == "bytes" then
    tree:add(field.proto, range)
  else
    local item = tree:add_le(field.proto, range)
    if field.kind == "time" then
      item:append_text(" (" .. utc(range:le_uint64()) .. ")")
    elseif field.bits then
      show_bits(item, field.bits, range:le_uint())
    end
  end
end

-- Fields that a block of another version does not reach are absent; what it appends is shown as bytes.
local function show_block(tree, list, known_sz, block)
  for _, field in ipairs(list) do
    if field.off + field.size <= block:len() then
      show_field(tree, field, block)
    end
  end
  if block:len() > known_sz then
    tree:add(own.appended, block(known_sz))
  end
end

-- --- messages --------------------------------------------------------------------------------------

local function short(tree, range, text)
  tree:add_proto_expert_info(experts.short, text)
  if range then
    tree:add(own.body, range)
  end
end

-- Returns the bytes the group takes, or nil when it is cut off.
local function show_group(tree, group, rest)
  if rest == nil or rest:len() < GROUP_HEADER_SZ then
    short(tree, rest, "the group " .. group.name .. " has no header")
    return nil
  end
  local entry_sz, count = rest(0, 2):le_uint(), rest(2, 2):le_uint()
  local branch = tree:add(rest, string.format("%s: %d", group.name, count))
  branch:add_le(own.group_block_length, rest(0, 2))
  branch:add_le(own.group_count, rest(2, 2))
  local at = GROUP_HEADER_SZ
  for entry = 1, count do
    if entry_sz == 0 or at + entry_sz > rest:len() then
      short(branch, nil, string.format("%s %d of %d (%d bytes) does not fit the message", group.name, entry, count, entry_sz))
      return nil
    end
    local range = rest(at, entry_sz)
    show_block(branch:add(range, string.format("%s %d", group.name, entry)), group.fields, group.block, range)
    at = at + entry_sz
  end
  branch:set_len(at)
  return at
end

-- One SBE message: header, block, group. `sequence` is its number, when the transport gives one. Returns its name for the info column.
local function show_message(range, tree, sequence)
  if range:len() < HEADER_SZ then
    short(tree:add(own.message, range, "no message"), range, string.format("%d bytes are shorter than an SBE header", range:len()))
    return "no message"
  end
  local block_sz, template = range(0, 2):le_uint(), range(2, 2):le_uint()
  local schema, version = range(4, 2):le_uint(), range(6, 2):le_uint()
  local message = schema == SCHEMA_ID and MESSAGES[template] or nil
  local name = message and message.name
  if schema ~= SCHEMA_ID then
    name = string.format("Unknown schema %d, template %d", schema, template)
  elseif message == nil then
    name = string.format("Unknown template %d", template)
  end
  local branch = tree:add(own.message, range, name)
  if sequence then
    branch:set_text(string.format("%s, sequence %s", name, tostring(sequence)))
    branch:add(own.sequence, range(0, 0), sequence):set_generated()
  end
  local header = branch:add(range(0, HEADER_SZ), "SBE header")
  header:add_le(own.block_length, range(0, 2))
  header:add_le(own.template_id, range(2, 2))
  header:add_le(own.schema_id, range(4, 2))
  header:add_le(own.version, range(6, 2))
  local rest = range:len() > HEADER_SZ and range(HEADER_SZ) or nil
  if message == nil then
    branch:add_proto_expert_info(schema ~= SCHEMA_ID and experts.schema or experts.template,
      string.format("%s: not in schema %d as this dissector was generated from it (version %d, block of %d bytes)", name, SCHEMA_ID, version, block_sz))
    if rest then
      branch:add(own.body, rest)
    end
    return name
  end
  if rest == nil or block_sz > rest:len() then
    short(branch, rest, string.format("a block of %d bytes is announced, %d are there", block_sz, range:len() - HEADER_SZ))
    return name
  end
  if block_sz < message.block then
    short(branch, nil, string.format("a block of %d bytes; %s has %d", block_sz, name, message.block))
  end
  if block_sz > 0 then
    show_block(branch, message.fields, message.block, rest(0, block_sz))
  end
  local used = block_sz
  if message.group then
    local group_sz = show_group(branch, message.group, rest:len() > block_sz and rest(block_sz) or nil)
    if group_sz == nil then
      return name
    end
    used = used + group_sz
  end
  if used < rest:len() then
    branch:add_proto_expert_info(experts.trailing, string.format("%d bytes behind the message", rest:len() - used))
    branch:add(own.body, rest(used))
  end
  return name
end

-- "AddOrder x3, Trade" for the info column.
local function summary(names)
  local out, i = {}, 1
  while i <= #names do
    local from = i
    while names[i + 1] == names[from] do
      i = i + 1
    end
    out[#out + 1] = i > from and string.format("%s x%d", names[from], i - from + 1) or names[from]
    i = i + 1
  end
  return table.concat(out, ", ")
end

-- What tshark's own dissectors hand over: one message. Decode As `moldudp64.payload`, and the heuristics of SoupBinTCP.
function wcx.dissector(tvb, pinfo, tree)
  if tvb:len() == 0 then
    return 0
  end
  pinfo.cols.info:append(": " .. show_message(tvb(), tree:add(wcx, tvb()), nil))
  return tvb:len()
end

DissectorTable.get("moldudp64.payload"):add_for_decode_as(wcx)

-- --- MoldUDP64 -------------------------------------------------------------------------------------

-- The blocks of a datagram as {offset, length}, how many are announced, and where the last one ends.
local function mold_blocks(tvb, announced)
  local blocks, at = {}, MOLD_HEADER_SZ
  for i = 1, announced do
    local sz = at + 2 <= tvb:len() and tvb(at, 2):uint() or 0
    if sz == 0 or at + 2 + sz > tvb:len() then
      break
    end
    blocks[i] = {at + 2, sz}
    at = at + 2 + sz
  end
  return blocks, at
end

-- A packet without blocks that announces some is a request for them.
local function mold_kind(count, blocks, rest)
  if count == 0 then
    return "Heartbeat", 0
  elseif count == 0xffff and #blocks == 0 then
    return "End of session", 0
  elseif #blocks == 0 and (rest == 0 or rest == TAG_SZ) then
    return "Request", 0
  end
  return nil, count
end

function mold.dissector(tvb, pinfo, tree)
  pinfo.cols.protocol = "wcx"
  pinfo.cols.info = ""
  local branch = tree:add(mold, tvb())
  if tvb:len() < MOLD_HEADER_SZ then
    short(branch, tvb(), string.format("%d bytes are shorter than a MoldUDP64 header", tvb:len()))
    return tvb:len()
  end
  local session, first, count = tvb(0, 10):bytes():raw(), tvb(10, 8):uint64(), tvb(18, 2):uint()
  branch:add(mold_own.session, tvb(0, 10))
  branch:add(mold_own.sequence, tvb(10, 8))
  branch:add(mold_own.count, tvb(18, 2))
  local blocks, at = mold_blocks(tvb, count)
  local kind, announced = mold_kind(count, blocks, tvb:len() - at)
  local names = {}
  for i, block in ipairs(blocks) do
    local numbered = session ~= NO_SESSION and first + UInt64.new(i - 1) or nil
    names[i] = show_message(tvb(block[1], block[2]), branch, numbered)
  end
  local text = kind or summary(names)
  branch:append_text(": " .. text)
  pinfo.cols.info = string.format("%d → %d %s", pinfo.src_port, pinfo.dst_port, text)
  if #blocks < announced then
    short(branch, at < tvb:len() and tvb(at) or nil, string.format("%d blocks are announced, %d are there", announced, #blocks))
  elseif tvb:len() - at == TAG_SZ then
    branch:add(mold_own.tag, tvb(at, TAG_SZ))
  elseif tvb:len() > at then
    branch:add_proto_expert_info(experts.trailing, string.format("%d bytes behind the last block", tvb:len() - at))
    branch:add(own.body, tvb(at))
  end
  return tvb:len()
end

-- --- SoupBinTCP ------------------------------------------------------------------------------------

local SOUP_TYPES = {["+"] = "Debug", A = "Login Accepted", J = "Login Rejected", S = "Sequenced Data", H = "Server Heartbeat", Z = "End of Session",
                    L = "Login Request", U = "Unsequenced Data", R = "Client Heartbeat", O = "Logout Request"}
local SOUP_FIELDS = {A = {{"session", 10}, {"sequence", 20}}, J = {{"reason", 1}}, L = {{"username", 6}, {"password", 10}, {"session", 10}, {"sequence", 20}}}

-- Numbers of S packets: a Login Accepted gives the first, each S is the next. By sender and receiver; by packet for later passes.
local next_number, number_of = {}, {}

function soup.init()
  next_number, number_of = {}, {}
end

local function soup_number(tvb, pinfo, kind)
  local stream = string.format("%s:%d>%s:%d", tostring(pinfo.src), pinfo.src_port, tostring(pinfo.dst), pinfo.dst_port)
  local packet = string.format("%d/%d", pinfo.number, tvb:offset())
  if not pinfo.visited and kind == "A" and tvb:len() >= 33 then
    local text = tvb(13, 20):bytes():raw():match("^ *(%d+)$")
    next_number[stream] = text and UInt64.new(text) or nil
  elseif not pinfo.visited and kind == "S" and next_number[stream] then
    number_of[packet] = next_number[stream]
    next_number[stream] = next_number[stream] + UInt64.new(1)
  end
  return number_of[packet]
end

local soup_names -- of the packets of one segment

local function soup_packet(tvb, pinfo, tree)
  if tvb:len() < 3 then
    short(tree:add(soup, tvb()), tvb(), "a SoupBinTCP packet without a type")
    return tvb:len()
  end
  local kind = tvb(2, 1):bytes():raw()
  local text = SOUP_TYPES[kind] or string.format("Unknown type 0x%02x", tvb(2, 1):uint())
  local branch = tree:add(soup, tvb())
  branch:add(soup_own.length, tvb(0, 2))
  branch:add(soup_own.type, tvb(2, 1)):append_text(" (" .. text .. ")")
  local number, at = soup_number(tvb, pinfo, kind), 3
  if kind == "S" or kind == "U" then
    if tvb:len() > 3 then
      text = show_message(tvb(3), branch, number)
    else
      short(branch, nil, "no message")
    end
    at = tvb:len()
  end
  for _, field in ipairs(SOUP_FIELDS[kind] or {}) do
    if at + field[2] <= tvb:len() then
      branch:add(soup_own[field[1]], tvb(at, field[2]))
      at = at + field[2]
    else
      short(branch, nil, "the packet ends before its " .. field[1])
      break
    end
  end
  if at < tvb:len() then
    branch:add(soup_own.text, tvb(at))
  end
  branch:append_text(": " .. text)
  soup_names[#soup_names + 1] = text
  return tvb:len()
end

function soup.dissector(tvb, pinfo, tree)
  soup_names = {}
  pinfo.cols.protocol = "wcx"
  dissect_tcp_pdus(tvb, tree, 2, function(segment, _, offset) return 2 + segment(offset, 2):uint() end, soup_packet)
  if #soup_names > 0 then
    pinfo.cols.info = string.format("%d → %d %s", pinfo.src_port, pinfo.dst_port, summary(soup_names))
  end
  return tvb:len()
end

-- --- ports -----------------------------------------------------------------------------------------

local registered, ours = {}, {}

local function ports_of(text)
  local ports = {}
  for from, to in (text .. ","):gmatch("(%d+)%-?(%d*),") do
    for port = tonumber(from), tonumber(to) or tonumber(from) do
      ports[#ports + 1] = port
    end
  end
  return ports
end

local function register()
  for _, entry in ipairs(registered) do
    DissectorTable.get(entry[1]):remove(entry[2], entry[3])
  end
  registered, ours = {}, {}
  local function add(name, ports, dissector)
    for _, port in ipairs(ports_of(ports)) do
      DissectorTable.get(name):add(port, dissector)
      registered[#registered + 1] = {name, port, dissector}
      ours[port] = true
    end
  end
  add("udp.port", wcx.prefs.udp_ports, mold)
  add("tcp.port", wcx.prefs.tcp_ports, soup)
end

wcx.prefs_changed = register
register()

-- For `-d tcp.port==7001,soupbintcp`: tshark's own dissector offers each payload.
wcx:register_heuristic("soupbintcp", function(tvb, pinfo, tree)
  if not (ours[pinfo.src_port] or ours[pinfo.dst_port]) then
    return false
  end
  return wcx.dissector(tvb, pinfo, tree) > 0
end)
