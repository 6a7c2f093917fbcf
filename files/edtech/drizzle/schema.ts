// The mirror of ../prisma/schema.prisma that fast reads and writes use. Prisma owns the schema; change it there first.
import {
  type AnyPgColumn,
  boolean,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgEnum,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
} from "drizzle-orm/pg-core";

export const userRole = pgEnum("UserRole", ["STUDENT", "TEACHER", "PARENT", "ADMIN"]);
export const courseLevel = pgEnum("CourseLevel", ["BEGINNER", "INTERMEDIATE", "ADVANCED"]);
export const publishStatus = pgEnum("PublishStatus", ["DRAFT", "PUBLISHED", "ARCHIVED"]);
export const lessonType = pgEnum("LessonType", ["VIDEO", "READING", "QUIZ", "EXERCISE"]);
export const enrollmentStatus = pgEnum("EnrollmentStatus", ["ACTIVE", "COMPLETED", "DROPPED"]);
export const progressStatus = pgEnum("ProgressStatus", ["NOT_STARTED", "IN_PROGRESS", "COMPLETED"]);
export const submissionStatus = pgEnum("SubmissionStatus", ["SUBMITTED", "GRADED", "RETURNED"]);
export const postVisibility = pgEnum("PostVisibility", ["PUBLIC", "COURSE", "PRIVATE"]);
export const groupRole = pgEnum("GroupRole", ["OWNER", "MODERATOR", "MEMBER"]);
export const notificationType = pgEnum("NotificationType", ["ASSIGNMENT", "GRADE", "MESSAGE", "SOCIAL", "SYSTEM"]);

export const users = pgTable(
  "User",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    email: text("email").notNull().unique(),
    username: text("username").notNull().unique(),
    passwordHash: text("passwordHash").notNull(),
    firstName: text("firstName").notNull(),
    lastName: text("lastName").notNull(),
    role: userRole("role").notNull().default("STUDENT"),
    preferredLocale: text("preferredLocale").notNull().default("en-GB"),
    preferredLanguage: text("preferredLanguage").notNull().default("en"),
    isActive: boolean("isActive").notNull().default(true),
    failedLoginAttempts: integer("failedLoginAttempts").notNull().default(0),
    lockedUntil: timestamp("lockedUntil", { precision: 3 }),
    lastLoginAt: timestamp("lastLoginAt", { precision: 3 }),
    emailVerifiedAt: timestamp("emailVerifiedAt", { precision: 3 }),
    metadata: jsonb("metadata"),
    createdAt: timestamp("createdAt", { precision: 3 }).notNull().defaultNow(),
    updatedAt: timestamp("updatedAt", { precision: 3 }).notNull().$onUpdate(() => new Date()),
  },
);

export const courses = pgTable(
  "Course",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    slug: text("slug").notNull().unique(),
    title: text("title").notNull(),
    description: text("description"),
    level: courseLevel("level").notNull().default("BEGINNER"),
    status: publishStatus("status").notNull().default("DRAFT"),
    language: text("language").notNull().default("en"),
    teacherId: text("teacherId").notNull().references(() => users.id, { onDelete: "restrict", onUpdate: "cascade" }),
    priceCents: integer("priceCents").notNull().default(0),
    tags: text("tags").array(),
    settings: jsonb("settings"),
    createdAt: timestamp("createdAt", { precision: 3 }).notNull().defaultNow(),
    updatedAt: timestamp("updatedAt", { precision: 3 }).notNull().$onUpdate(() => new Date()),
  },
  (table) => [
    index("Course_teacherId_idx").on(table.teacherId),
  ],
);

export const lessons = pgTable(
  "Lesson",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    courseId: text("courseId").notNull().references(() => courses.id, { onDelete: "cascade", onUpdate: "cascade" }),
    position: integer("position").notNull(),
    title: text("title").notNull(),
    type: lessonType("type").notNull(),
    content: text("content").notNull(),
    videoUrl: text("videoUrl"),
    durationMinutes: integer("durationMinutes").notNull(),
    isPublished: boolean("isPublished").notNull().default(false),
    createdAt: timestamp("createdAt", { precision: 3 }).notNull().defaultNow(),
    updatedAt: timestamp("updatedAt", { precision: 3 }).notNull().$onUpdate(() => new Date()),
  },
  (table) => [
    uniqueIndex("Lesson_courseId_position_key").on(table.courseId, table.position),
  ],
);

export const enrollments = pgTable(
  "Enrollment",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    userId: text("userId").notNull().references(() => users.id, { onDelete: "cascade", onUpdate: "cascade" }),
    courseId: text("courseId").notNull().references(() => courses.id, { onDelete: "cascade", onUpdate: "cascade" }),
    status: enrollmentStatus("status").notNull().default("ACTIVE"),
    progressPercent: doublePrecision("progressPercent").notNull().default(0),
    enrolledAt: timestamp("enrolledAt", { precision: 3 }).notNull().defaultNow(),
    completedAt: timestamp("completedAt", { precision: 3 }),
  },
  (table) => [
    uniqueIndex("Enrollment_userId_courseId_key").on(table.userId, table.courseId),
    index("Enrollment_courseId_idx").on(table.courseId),
  ],
);

export const userProgress = pgTable(
  "UserProgress",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    userId: text("userId").notNull().references(() => users.id, { onDelete: "cascade", onUpdate: "cascade" }),
    lessonId: text("lessonId").notNull().references(() => lessons.id, { onDelete: "cascade", onUpdate: "cascade" }),
    status: progressStatus("status").notNull().default("NOT_STARTED"),
    score: doublePrecision("score"),
    timeSpentSeconds: integer("timeSpentSeconds").notNull().default(0),
    lastAccessedAt: timestamp("lastAccessedAt", { precision: 3 }).notNull(),
    completedAt: timestamp("completedAt", { precision: 3 }),
    createdAt: timestamp("createdAt", { precision: 3 }).notNull().defaultNow(),
    updatedAt: timestamp("updatedAt", { precision: 3 }).notNull().$onUpdate(() => new Date()),
  },
  (table) => [
    uniqueIndex("UserProgress_userId_lessonId_key").on(table.userId, table.lessonId),
    index("UserProgress_lessonId_idx").on(table.lessonId),
  ],
);

export const behaviorLogs = pgTable(
  "BehaviorLog",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    userId: text("userId").notNull().references(() => users.id, { onDelete: "cascade", onUpdate: "cascade" }),
    sessionId: text("sessionId").notNull(),
    eventType: text("eventType").notNull(),
    actionCategory: text("actionCategory").notNull(),
    timestamp: timestamp("timestamp", { precision: 3 }).notNull().defaultNow(),
    duration: doublePrecision("duration"),
    payload: jsonb("payload"),
  },
  (table) => [
    index("BehaviorLog_userId_timestamp_idx").on(table.userId, table.timestamp),
    index("BehaviorLog_sessionId_idx").on(table.sessionId),
    index("BehaviorLog_sessionId_eventType_idx").on(table.sessionId, table.eventType),
    index("BehaviorLog_actionCategory_idx").on(table.actionCategory),
    index("BehaviorLog_eventType_timestamp_idx").on(table.eventType, table.timestamp),
    index("BehaviorLog_eventType_userId_idx").on(table.eventType, table.userId),
  ],
);

export const socialPosts = pgTable(
  "SocialPost",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    authorId: text("authorId").notNull().references(() => users.id, { onDelete: "cascade", onUpdate: "cascade" }),
    courseId: text("courseId").references(() => courses.id, { onDelete: "set null", onUpdate: "cascade" }),
    content: text("content").notNull(),
    visibility: postVisibility("visibility").notNull().default("PUBLIC"),
    likeCount: integer("likeCount").notNull().default(0),
    commentCount: integer("commentCount").notNull().default(0),
    metadata: jsonb("metadata"),
    createdAt: timestamp("createdAt", { precision: 3 }).notNull().defaultNow(),
    updatedAt: timestamp("updatedAt", { precision: 3 }).notNull().$onUpdate(() => new Date()),
  },
  (table) => [
    index("SocialPost_authorId_createdAt_idx").on(table.authorId, table.createdAt),
    index("SocialPost_createdAt_idx").on(table.createdAt),
  ],
);

export const postComments = pgTable(
  "PostComment",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    postId: text("postId").notNull().references(() => socialPosts.id, { onDelete: "cascade", onUpdate: "cascade" }),
    authorId: text("authorId").notNull().references(() => users.id, { onDelete: "cascade", onUpdate: "cascade" }),
    parentId: text("parentId").references((): AnyPgColumn => postComments.id, { onDelete: "set null", onUpdate: "cascade" }),
    content: text("content").notNull(),
    createdAt: timestamp("createdAt", { precision: 3 }).notNull().defaultNow(),
    updatedAt: timestamp("updatedAt", { precision: 3 }).notNull().$onUpdate(() => new Date()),
  },
  (table) => [
    index("PostComment_postId_createdAt_idx").on(table.postId, table.createdAt),
  ],
);

export const postLikes = pgTable(
  "PostLike",
  {
    postId: text("postId").notNull().references(() => socialPosts.id, { onDelete: "cascade", onUpdate: "cascade" }),
    userId: text("userId").notNull().references(() => users.id, { onDelete: "cascade", onUpdate: "cascade" }),
    createdAt: timestamp("createdAt", { precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.postId, table.userId] }),
  ],
);

export const buddyGroups = pgTable(
  "BuddyGroup",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    name: text("name").notNull(),
    creatorId: text("creatorId").notNull().references(() => users.id, { onDelete: "restrict", onUpdate: "cascade" }),
    courseId: text("courseId").references(() => courses.id, { onDelete: "set null", onUpdate: "cascade" }),
    maxMembers: integer("maxMembers").notNull().default(8),
    isPrivate: boolean("isPrivate").notNull().default(false),
    settings: jsonb("settings"),
    createdAt: timestamp("createdAt", { precision: 3 }).notNull().defaultNow(),
    updatedAt: timestamp("updatedAt", { precision: 3 }).notNull().$onUpdate(() => new Date()),
  },
);

export const buddyMembers = pgTable(
  "BuddyMember",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    groupId: text("groupId").notNull().references(() => buddyGroups.id, { onDelete: "cascade", onUpdate: "cascade" }),
    userId: text("userId").notNull().references(() => users.id, { onDelete: "cascade", onUpdate: "cascade" }),
    role: groupRole("role").notNull().default("MEMBER"),
    joinedAt: timestamp("joinedAt", { precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex("BuddyMember_groupId_userId_key").on(table.groupId, table.userId),
    index("BuddyMember_userId_idx").on(table.userId),
  ],
);

export const chatThreads = pgTable(
  "ChatThread",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    groupId: text("groupId").references(() => buddyGroups.id, { onDelete: "set null", onUpdate: "cascade" }),
    title: text("title"),
    lastMessageAt: timestamp("lastMessageAt", { precision: 3 }),
    createdAt: timestamp("createdAt", { precision: 3 }).notNull().defaultNow(),
    updatedAt: timestamp("updatedAt", { precision: 3 }).notNull().$onUpdate(() => new Date()),
  },
  (table) => [
    index("ChatThread_groupId_idx").on(table.groupId),
  ],
);

export const chatParticipants = pgTable(
  "ChatParticipant",
  {
    threadId: text("threadId").notNull().references(() => chatThreads.id, { onDelete: "cascade", onUpdate: "cascade" }),
    userId: text("userId").notNull().references(() => users.id, { onDelete: "cascade", onUpdate: "cascade" }),
    lastReadAt: timestamp("lastReadAt", { precision: 3 }),
    joinedAt: timestamp("joinedAt", { precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.threadId, table.userId] }),
    index("ChatParticipant_userId_idx").on(table.userId),
  ],
);

export const chatMessages = pgTable(
  "ChatMessage",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    threadId: text("threadId").notNull().references(() => chatThreads.id, { onDelete: "cascade", onUpdate: "cascade" }),
    senderId: text("senderId").notNull().references(() => users.id, { onDelete: "cascade", onUpdate: "cascade" }),
    content: text("content").notNull(),
    attachments: jsonb("attachments"),
    editedAt: timestamp("editedAt", { precision: 3 }),
    createdAt: timestamp("createdAt", { precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    index("ChatMessage_threadId_createdAt_idx").on(table.threadId, table.createdAt),
  ],
);

export const refreshTokens = pgTable(
  "RefreshToken",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    userId: text("userId").notNull().references(() => users.id, { onDelete: "cascade", onUpdate: "cascade" }),
    tokenHash: text("tokenHash").notNull().unique(),
    userAgent: text("userAgent"),
    expiresAt: timestamp("expiresAt", { precision: 3 }).notNull(),
    revokedAt: timestamp("revokedAt", { precision: 3 }),
    createdAt: timestamp("createdAt", { precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    index("RefreshToken_userId_idx").on(table.userId),
  ],
);

export const certificates = pgTable(
  "Certificate",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    userId: text("userId").notNull().references(() => users.id, { onDelete: "restrict", onUpdate: "cascade" }),
    courseId: text("courseId").notNull().references(() => courses.id, { onDelete: "restrict", onUpdate: "cascade" }),
    serialNumber: text("serialNumber").notNull().unique(),
    grade: doublePrecision("grade"),
    metadata: jsonb("metadata"),
    issuedAt: timestamp("issuedAt", { precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex("Certificate_userId_courseId_key").on(table.userId, table.courseId),
  ],
);

export const assignments = pgTable(
  "Assignment",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    courseId: text("courseId").notNull().references(() => courses.id, { onDelete: "cascade", onUpdate: "cascade" }),
    title: text("title").notNull(),
    instructions: text("instructions").notNull(),
    maxPoints: integer("maxPoints").notNull().default(100),
    dueAt: timestamp("dueAt", { precision: 3 }),
    createdAt: timestamp("createdAt", { precision: 3 }).notNull().defaultNow(),
    updatedAt: timestamp("updatedAt", { precision: 3 }).notNull().$onUpdate(() => new Date()),
  },
  (table) => [
    index("Assignment_courseId_idx").on(table.courseId),
  ],
);

export const submissions = pgTable(
  "Submission",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    assignmentId: text("assignmentId").notNull().references(() => assignments.id, { onDelete: "cascade", onUpdate: "cascade" }),
    userId: text("userId").notNull().references(() => users.id, { onDelete: "cascade", onUpdate: "cascade" }),
    graderId: text("graderId").references(() => users.id, { onDelete: "set null", onUpdate: "cascade" }),
    content: text("content").notNull(),
    status: submissionStatus("status").notNull().default("SUBMITTED"),
    points: doublePrecision("points"),
    submittedAt: timestamp("submittedAt", { precision: 3 }).notNull().defaultNow(),
    gradedAt: timestamp("gradedAt", { precision: 3 }),
  },
  (table) => [
    uniqueIndex("Submission_assignmentId_userId_key").on(table.assignmentId, table.userId),
    index("Submission_userId_idx").on(table.userId),
  ],
);

export const notifications = pgTable(
  "Notification",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    userId: text("userId").notNull().references(() => users.id, { onDelete: "cascade", onUpdate: "cascade" }),
    type: notificationType("type").notNull(),
    title: text("title").notNull(),
    body: text("body"),
    data: jsonb("data"),
    readAt: timestamp("readAt", { precision: 3 }),
    createdAt: timestamp("createdAt", { precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    index("Notification_userId_createdAt_idx").on(table.userId, table.createdAt),
  ],
);

export const optimizationLogs = pgTable(
  "OptimizationLog",
  {
    id: text("id").primaryKey().$defaultFn(() => crypto.randomUUID()),
    queryText: text("queryText").notNull(),
    recommendation: text("recommendation").notNull(),
    performanceGain: doublePrecision("performanceGain"),
    confidence: doublePrecision("confidence").notNull(),
    source: text("source").notNull(),
    metadata: jsonb("metadata"),
    createdAt: timestamp("createdAt", { precision: 3 }).notNull().defaultNow(),
    appliedAt: timestamp("appliedAt", { precision: 3 }),
  },
  (table) => [
    index("OptimizationLog_createdAt_idx").on(table.createdAt),
  ],
);
