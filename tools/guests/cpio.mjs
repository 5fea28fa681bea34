// The "newc" cpio archive that Linux unpacks as its initramfs
// (Linux documentation, "initramfs buffer format"; the header is 13 fields of eight hexadecimal digits).
//
//   070701 ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
//   name NUL, padded to 4; data, padded to 4; last entry is named TRAILER!!!
//
// Same entries, same bytes: owner 0, time 0, inode numbers counted from 1.

const MODE = { directory: 0o040000, file: 0o100000, link: 0o120000, char: 0o020000 };

function header({ ino, mode, nlink, size, major, minor, nameSize }) {
  const fields = [ino, mode, 0, 0, nlink, 0, size, 0, 0, major, minor, nameSize, 0];
  return `070701${fields.map((value) => value.toString(16).toUpperCase().padStart(8, "0")).join("")}`;
}

function padded(bytes) {
  const rest = bytes.length % 4;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - rest)]);
}

function member(ino, entry) {
  const name = Buffer.from(`${entry.path}\0`);
  const data = entry.kind === "link" ? Buffer.from(entry.target) : Buffer.from(entry.data ?? []);
  const head = header({
    ino,
    mode: entry.kind === "trailer" ? 0 : MODE[entry.kind] | entry.mode,
    nlink: entry.kind === "directory" ? 2 : 1,
    size: data.length,
    major: entry.major ?? 0,
    minor: entry.minor ?? 0,
    nameSize: name.length,
  });
  return Buffer.concat([padded(Buffer.concat([Buffer.from(head), name])), padded(data)]);
}

/** A directory entry; `path` has no leading slash. */
export function directory(path, mode = 0o755) {
  return { kind: "directory", path, mode };
}

/** A regular file with the given bytes. */
export function file(path, data, mode = 0o644) {
  return { kind: "file", path, mode, data };
}

/** A symbolic link at `path` that points to `target`. */
export function link(path, target) {
  return { kind: "link", path, mode: 0o777, target };
}

/** A character device node. */
export function charDevice(path, major, minor, mode = 0o600) {
  return { kind: "char", path, mode, major, minor };
}

/** The archive of `entries`, in the order given (a directory before what it holds). */
export function cpio(entries) {
  const parts = entries.map((entry, index) => member(index + 1, entry));
  parts.push(member(0, { kind: "trailer", path: "TRAILER!!!" }));
  const archive = Buffer.concat(parts);
  // The customary block of 512 bytes, so that archives can be concatenated.
  const rest = archive.length % 512;
  return rest === 0 ? archive : Buffer.concat([archive, Buffer.alloc(512 - rest)]);
}
